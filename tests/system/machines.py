"""Simulates several machines on this one. Each has its own /etc/consilium, /var/lib/consilium, /srv/consilium, systemd units and home. They share programs and network.

Needs user, mount and network namespaces, as the trainer's confinement does. Uses only Python's standard library.
"""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import pty
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from consortium import BIN

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
OWN = ("etc/consilium", "etc/systemd/system", "var/lib/consilium", "srv/consilium", "desk")

# These machines have neither sudo nor systemd. Everybody is root, and a service runs the command in its unit's ExecStart.
SUDO = '#!/bin/sh\n[ "$1" = -u ] && shift 2\nexec "$@"\n'
SYSTEMCTL = """#!/bin/sh
case "$1 $2" in
'daemon-reload ') exit 0 ;;
'enable --now') ;;
*) echo "systemctl: not known here: $*" >&2; exit 1 ;;
esac
case "$3" in /*) unit=$3 ;; *) unit=/etc/systemd/system/$3 ;; esac
[ -f "$unit" ] || { echo "systemctl: no unit $unit" >&2; exit 1; }
setsid $(sed -n 's/^ExecStart=//p' "$unit") >"/desk/$(basename "$unit").log" 2>&1 </dev/null &
echo $! >>/desk/pids
"""

ENTER = """set -e
for own in $OWN; do mount --bind "$MACHINE/$own" "$ROOT/$own"; done
mount --rbind "$ROOT" "$ROOT"
cd "$ROOT"
pivot_root . .
umount -l .
cd /desk
exec sh -c "$TYPED"
"""


def enter_own_namespaces():
    """Makes this process root of a user namespace with mounts and a loopback interface of its own."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare: namespaces are needed here")
    pathlib.Path("/proc/self/setgroups").write_text("deny")
    pathlib.Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    pathlib.Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    with socket.socket() as any_socket:  # brings the loopback interface up
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


class Typed:
    """A command that was started, and its output so far."""

    def __init__(self, process, printed, keyboard=None):
        self.process, self.printed, self.keyboard = process, printed, keyboard

    @property
    def output(self):
        return self.printed.read_text()

    def answer(self, text):
        """Types text at the command's terminal."""
        os.write(self.keyboard, text.encode())


class Machines:
    """Machines with names, in a folder that close() removes."""

    def __init__(self, names, host):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="machines-"))
        self.terminals = []
        self.root = self.folder / "root"
        self.make_root(host)
        for name in names:
            for own in OWN:
                (self.folder / name / own).mkdir(parents=True)

    def close(self):
        """Stops the services, and removes everything."""
        for end in self.terminals:
            os.close(end)
        for pids in self.folder.glob("*/desk/pids"):
            for pid in pids.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)
        subprocess.run(["umount", "--lazy", self.root], check=True)  # and everything that is mounted below it
        if str(self.folder) in pathlib.Path("/proc/self/mounts").read_text():
            raise AssertionError(f"{self.folder} still has mounts, so it isn't removed")
        shutil.rmtree(self.folder)

    def make_root(self, host):
        """Makes the root folder that all machines share: this machine's folders, except those that each machine has for itself."""
        self.root.mkdir()
        subprocess.run(["mount", "--bind", self.root, self.root], check=True)
        replaced = {"etc", "var", "srv", "opt"}
        for entry in pathlib.Path("/").iterdir():
            place = self.root / entry.name
            if entry.is_symlink():
                place.symlink_to(entry.readlink())
            elif entry.is_dir():
                target = self.root / "host" / entry.name if entry.name in replaced else place
                target.mkdir(parents=True)
                subprocess.run(["mount", "--rbind", entry, target], check=True)
        self.imitate("etc", {"consilium", "systemd", "hosts", "passwd"})
        self.imitate("var", {"lib"})
        self.imitate("var/lib", {"consilium"})
        self.imitate("srv", {"consilium"})
        self.imitate("opt", {"consilium"})
        for own in OWN:
            (self.root / own).mkdir(parents=True)
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost {host}\n")
        users = [line for line in pathlib.Path("/etc/passwd").read_text().splitlines() if not line.startswith("consilium:")]
        (self.root / "etc/passwd").write_text("\n".join([*users, "consilium:x:0:0::/var/lib/consilium:/usr/sbin/nologin", ""]))
        programs = self.folder / "programs"
        programs.mkdir()
        (self.root / "opt/consilium/bin").mkdir(parents=True)
        for program in ("consilium", "consilium-coordinator", "consilium-client"):
            (programs / program).symlink_to(BIN / program)
            (self.root / "opt/consilium/bin" / program).symlink_to(BIN / program)
        for name, text in (("sudo", SUDO), ("systemctl", SYSTEMCTL)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        subprocess.run(["mount", "--bind", programs, self.root / "usr/local/bin"], check=True)

    def imitate(self, folder, without):
        """Makes a folder with links to this machine's entries, except some."""
        (self.root / folder).mkdir()
        for entry in (pathlib.Path("/") / folder).iterdir():
            if entry.name not in without:
                (self.root / folder / entry.name).symlink_to(pathlib.Path("/host") / folder / entry.name)

    def place(self, name, path):
        """Returns the real path for a machine's path, which is absolute, below ~, or relative to the folder in which commands run."""
        path = str(path)
        inner = f"desk/{path[2:]}" if path.startswith("~/") else path.lstrip("/") if path.startswith("/") else f"desk/{path}"
        return self.folder / name / inner

    def type(self, name, command, answers=None, terminal=False):
        """Starts a command at a machine and returns it. It reads either the answers or, as a person's command does, a terminal."""
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/desk", "ROOT": str(self.root), "MACHINE": str(self.folder / name),
                       "OWN": " ".join(OWN), "TYPED": command, "MALLOC_ARENA_MAX": "2"}
        with tempfile.TemporaryFile("w+") as typed, tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as printed:
            typed.write(answers or "")
            typed.seek(0)
            keyboard, inner = self.open_terminal() if terminal else (None, typed)
            process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER], env=environment, stdin=inner, stdout=printed, stderr=subprocess.STDOUT)
        return Typed(process, pathlib.Path(printed.name), keyboard)

    def open_terminal(self):
        """Returns both ends of a new terminal: a person's, and a program's."""
        ends = pty.openpty()
        self.terminals += ends
        return ends

    def run(self, name, command, answers=None, seconds=120, check=True):
        """Runs a command at a machine and returns its output."""
        typed = self.type(name, command, answers)
        code = typed.process.wait(timeout=seconds)
        if check and code != 0:
            raise AssertionError(f"{name}: {command}: exit code {code}:\n{typed.output}")
        return typed.output
