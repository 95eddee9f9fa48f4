"""Tests of the completion scripts, in the shells that this machine has. A stub stands for `consilium jobs`."""

import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import unittest

from consortium import BIN

JOBS = ["chest-1", "chest-2", "skin-1"]
ROLES = ["coordinator", "operator", "researcher", "site"]
STUB = f"""#!/bin/sh
[ "$1 $2" = 'jobs --quiet' ] || exit 1
echo '$(touch executed)'
echo 'a;b'
printf '%s\\n' {" ".join(JOBS)}
echo 'consilium: something failed' >&2
"""

# What the user types -> what the shell offers, besides files.
OFFERED = {
    "sub": ["submit"],
    "ca si": ["sign"],
    "watch ": JOBS,
    "watch ch": ["chest-1", "chest-2"],
    "fetch --out results sk": ["skin-1"],
    "stop ": JOBS,
    "remove --json ": JOBS,
    "report chest-": ["chest-1", "chest-2"],
    "ca sign a.csr --role ": ROLES,
    "ca request --role re": ["researcher"],
    "ca request --ro": ["--role"],
    "completion ": ["bash", "fish", "zsh"],
    "jobs --q": ["--quiet"],
}
FILES = ["submit ", "ca sign ", "fetch chest-1 --out ", "watch --config ", "report res"]


def script(shell):
    return subprocess.run([BIN / "consilium", "completion", shell], check=True, capture_output=True, text=True).stdout


class Completion(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        stub = self.folder / "bin/consilium"
        stub.parent.mkdir()
        stub.write_text(STUB)
        stub.chmod(0o755)
        (self.folder / "results").mkdir()

    def run_shell(self, command, text):
        """Runs a shell with a script, in an empty folder with the stub on its path, and returns the lines of its output."""
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        done = subprocess.run(command, input=text, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse((self.folder / "executed").exists())
        return done.stdout.splitlines()

    def bash(self, line):
        """Returns what bash offers after a line. bash splits --option=value into three words."""
        words = ["consilium", *line.replace("=", " = ").split()] + ([""] if line.endswith(" ") else [])
        return sorted(self.run_shell(["bash"], script("bash") + f"COMP_WORDS=({shlex.join(words)})\nCOMP_CWORD={len(words) - 1}\n_consilium\n"
                                     'for word in "${COMPREPLY[@]}"; do printf "%s\\n" "$word"; done\n'))

    def test_bash_offers_jobs_values_options_and_otherwise_files(self):
        for line, offered in OFFERED.items():
            self.assertEqual(self.bash(line), offered, line)
        for line in FILES:  # bash then offers files, because of `complete -o default`
            self.assertEqual(self.bash(line), [], line)
        self.assertIn("complete -o default -F _consilium consilium\n", script("bash"))
        self.assertEqual(self.bash("ca request --role="), ROLES)
        self.assertEqual(self.bash("ca request --role=si"), ["site"])
        self.assertEqual(self.bash("watch --config=a.yaml ch"), ["chest-1", "chest-2"])
        self.assertEqual(self.bash("watch chest-1 "), [])

    def test_no_coordinator_means_no_jobs_and_no_message(self):
        (self.folder / "bin/consilium").write_text("#!/bin/sh\necho 'consilium: no coordinator answers' >&2\nexit 5\n")
        self.assertEqual(self.bash("watch "), [])

    @unittest.skipUnless(shutil.which("zsh"), "zsh isn't installed")
    def test_zsh_accepts_the_script_and_offers_the_same(self):
        for line, offered in OFFERED.items():
            words = ["consilium", *line.split()] + ([""] if line.endswith(" ") else [])
            text = script("zsh") + ("check() { emulate -L sh; setopt kshglob noshglob braceexpand\n"
                                    f"typeset -a COMP_WORDS COMPREPLY; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _consilium\n"
                                    'printf "%s\\n" "${COMPREPLY[@]}"; }\ncheck\n')
            self.assertEqual(sorted(self.run_shell(["zsh", "-f"], text)), offered, line)

    @unittest.skipUnless(shutil.which("fish"), "fish isn't installed")
    def test_fish_offers_jobs_values_options_and_otherwise_files(self):
        def offered(line):
            lines = self.run_shell(["fish"], script("fish") + f"complete --do-complete {shlex.quote('consilium ' + line)}\n")
            return sorted(entry.split("\t")[0] for entry in lines)

        for line, expected in OFFERED.items():
            self.assertEqual([word for word in offered(line) if not word.endswith("/")], expected, line)
        for line in FILES:
            self.assertIn("results/", offered(line), line)
        for line in ("watch ", "ca request --role "):
            self.assertNotIn("results/", offered(line), line)


if __name__ == "__main__":
    unittest.main()
