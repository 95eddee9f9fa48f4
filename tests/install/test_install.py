"""Tests `cmake --install`: the installed programs run, and an external project finds the package and links our libraries.

CONSILIUM_BUILD_DIR names the build, CONSILIUM_PROGRAMS its programs (separated by commas). Needs only Python's standard library.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CONSILIUM_BUILD_DIR", ROOT / "build/release"))
PROGRAMS = [name for name in os.environ.get("CONSILIUM_PROGRAMS", "consilium").split(",") if name]
CMAKE = os.environ.get("CONSILIUM_CMAKE", "cmake")
COMPILER = os.environ.get("CONSILIUM_CXX", "c++")

PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(plug_in LANGUAGES CXX)
find_package(Consilium 0.1 REQUIRED)
add_executable(plug_in strategy.cpp)
target_link_libraries(plug_in PRIVATE Consilium::aggregation)
"""


def output_of(*command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))} exited with {done.returncode}:\n{done.stdout}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.prefix = cls.folder / "prefix"
        output_of(CMAKE, "--install", BUILD, "--prefix", cls.prefix)

    def test_every_program_runs_where_it_was_installed(self):
        self.assertEqual(sorted(path.name for path in (self.prefix / "bin").iterdir()), sorted(PROGRAMS))
        for program in PROGRAMS:
            if program != "consilium-decode":  # it communicates only with the trainer
                self.assertRegex(output_of(self.prefix / "bin" / program, "--version"), r"\d+\.\d+\.\d+")

    def test_configurations_and_licence_are_installed(self):
        for file in (ROOT / "configs").iterdir():
            self.assertEqual((self.prefix / "share/consilium/configs" / file.name).read_bytes(), file.read_bytes())
        self.assertTrue((self.prefix / "share/doc/consilium/LICENSE").exists())

    def test_a_project_finds_the_package_and_steps_with_strategies(self):
        source, build = self.folder / "plug_in", self.folder / "build"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(PROJECT)
        (source / "strategy.cpp").write_text((ROOT / "tests/install/strategy.cpp").read_text())
        output_of(CMAKE, "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_COMPILER={COMPILER}")
        output_of(CMAKE, "--build", build)
        self.assertEqual(output_of(build / "plug_in").split(), ["3", "2"])

    def test_what_is_installed_names_no_folder_of_the_build(self):
        for file in self.prefix.rglob("*.cmake"):
            self.assertNotIn(str(ROOT), file.read_text(), file)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
