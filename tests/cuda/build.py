"""Unpacks a bundle of scripts/bundle_trainer and builds the trainer from it, against a given LibTorch."""

import os
import pathlib
import shutil
import subprocess
import tarfile

from steps import StepFailed

TARGETS = ["consilium-trainer", "consilium-decode", "consilium-echo-trainer", "consilium-rogue-trainer", "consilium-confined-run", "test_decode",
           "test_trainer_training", "test_trainer_program", "test_trainer_task", "test_trainer_data", "test_trainer_channel", "test_trainer_messages",
           "test_trainer_process"]
# Tests that require exact equality of floats are meant only for the CPU.
TESTS = [target for target in TARGETS if target.startswith("test_")]


def find_libtorch(libtorch, python):
    """Returns LibTorch's folder: the one given, or the one inside a Python installation of PyTorch."""
    if libtorch:
        folder = pathlib.Path(libtorch).resolve()
    else:
        look = "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
        done = subprocess.run([python, "-c", look], capture_output=True, text=True)
        if done.returncode != 0 or not done.stdout.strip():
            raise StepFailed(f"{python} has no PyTorch; name one that has it with --python, or a LibTorch with --libtorch")
        folder = pathlib.Path(done.stdout.strip())
    if not (folder / "lib/libtorch_cpu.so").exists():
        raise StepFailed(f"{folder} is no LibTorch: lib/libtorch_cpu.so is missing")
    return folder


def library_folders(libtorch, prefix, programs):
    """Returns the folders with the programs' libraries: LibTorch's, those of NVIDIA's wheels beside it, the bundle's, the driver's."""
    folders = [libtorch / "lib"]
    folders += sorted(path for path in libtorch.parent.glob("nvidia/*/lib") if path.is_dir())
    if prefix:
        folders += [prefix / "usr/lib/x86_64-linux-gnu"]
    if programs:
        folders += [programs / "lib"]
    folders += [pathlib.Path(path) for path in ("/usr/local/nvidia/lib64", "/usr/local/nvidia/lib") if os.path.isdir(path)]
    return folders


def dictionary(prefix):
    """Returns the variable that names DCMTK's data dictionary, which its library would otherwise look for under /usr."""
    found = sorted(prefix.glob("usr/share/libdcmtk*/dicom.dic"))
    return {"DCMDICTPATH": str(found[-1])} if found else {}


def unpack(bundle, prefix):
    """Unpacks the bundle's packages into a folder of their own, and its daemons beside it, into `programs`."""
    packages = sorted((bundle / "packages").glob("*.deb"))
    if not packages:
        raise StepFailed(f"{bundle}/packages has no packages; make the bundle with scripts/bundle_trainer")
    if not shutil.which("dpkg-deb"):
        raise StepFailed("dpkg-deb is missing: unpacking the bundle needs it (package dpkg, on every Debian and Ubuntu)")
    shutil.rmtree(prefix, ignore_errors=True)
    prefix.mkdir(parents=True)
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", package, prefix], check=True)
    libraries = prefix / "usr/lib/x86_64-linux-gnu"
    for library in (prefix / "lib/x86_64-linux-gnu").glob("*"):
        shutil.move(library, libraries / library.name)
    for link in libraries.iterdir():
        target = pathlib.Path(os.readlink(link)) if link.is_symlink() else None
        if target and (target.is_absolute() or len(target.parts) > 1):
            link.unlink()
            link.symlink_to(target.name)
    programs = bundle / "programs.tar.xz"
    if programs.exists():
        shutil.rmtree(prefix.parent / "programs", ignore_errors=True)
        with tarfile.open(programs) as archive:
            archive.extractall(prefix.parent, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return f"{len(packages)} packages in {prefix}" + (", and the daemons" if programs.exists() else "")


def need_tools(steps):
    """Names every missing tool at once."""
    missing = [name for name, tools in {"a C++ compiler (g++)": ["g++"], "cmake 3.25 or newer": ["cmake"], "ninja or make": ["ninja", "make"]}.items()
               if not any(shutil.which(tool) for tool in tools)]
    if missing:
        raise StepFailed(f"this machine lacks {', '.join(missing)}; they can't be in the bundle")
    for tool in ("g++", "cmake", "ninja"):
        if shutil.which(tool):
            steps.facts[tool] = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    return ", ".join(steps.facts[tool] for tool in ("g++", "cmake", "ninja") if tool in steps.facts)


def build(steps, source, folder, libtorch, prefix, environment, jobs):
    """Configures and builds; every later program gets `environment` too."""
    variables = dict(environment)
    arguments = ["cmake", "-S", source, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DCONSILIUM_FEDERATION=OFF", "-DCONSILIUM_WERROR=OFF",
                 f"-DLIBTORCH={libtorch}", "-DCMAKE_POLICY_VERSION_MINIMUM=3.5",
                 # Run paths that also apply to libraries of libraries, because the packages are in no folder that the loader knows.
                 "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags"]
    if shutil.which("ninja"):
        arguments += ["-G", "Ninja"]
    if prefix:
        headers = [prefix / "usr/include", prefix / "usr/include/x86_64-linux-gnu"]
        variables["CPLUS_INCLUDE_PATH"] = ":".join(map(str, headers))
        arguments += [f"-DCMAKE_PREFIX_PATH={prefix}/usr", f"-DCMAKE_LIBRARY_PATH={prefix}/usr/lib/x86_64-linux-gnu"]
    steps.command("build", arguments, env=variables)
    command = ["cmake", "--build", folder, "--parallel", jobs]
    for target in TARGETS:
        command += ["--target", target]
    steps.command("build", command, seconds=1800, env=variables)
    return f"LibTorch in {libtorch}, {jobs} jobs"


def assemble(programs, build_folder, folder):
    """Puts the bundle's daemons and the trainer that was built into one folder, where each can find the other."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for program in ("consilium", "consilium-client", "consilium-coordinator"):
        if not (programs / program).exists():
            raise StepFailed(f"{programs}/{program} is missing; make the bundle with scripts/bundle_trainer --with-federation")
        shutil.copy2(programs / program, folder / program)
    for program in ("consilium-trainer", "consilium-decode"):
        shutil.copy2(build_folder / "bin" / program, folder / program)
    return folder
