"""Runs the commands of docs/consortium/first-consortium.md at six machines, up to the fetched model, to show that the page is complete."""

import json
import pathlib
import re
import unittest

import npz
from consortium import eventually
from machines import Machines, enter_own_namespaces

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/consortium/first-consortium.md"
HOSPITALS = ["north", "south", "west"]
MACHINES = ["authority", "coordinator", "ada", *HOSPITALS]
MOST_COMMANDS = 15


def for_each(machine, text):
    """Returns the text for each hospital, with its own name, if it is north's."""
    if machine != "north":
        return [(machine, text)]
    return [(name, re.sub(r"\bnorth\b", name, text)) for name in HOSPITALS]


def steps_of(page):
    """Returns the page's steps in order: ("file", machine, name, text), ("type", machine, command), ("copy", from, what, to, where)."""
    steps = []
    lines = iter(page.splitlines())
    for line in lines:
        fence = re.match(r"```(\w+)", line)
        row = re.fullmatch(r"\| (\w+) \| `([^`]+)` \| (\w+) \| `([^`]+)` \|", line)
        if row and row[1] in MACHINES:
            hospital = "north" in (row[1], row[3])
            for name in HOSPITALS if hospital else [None]:
                steps.append(("copy", *(re.sub(r"\bnorth\b", name, word) if hospital else word for word in row.groups())))
        elif fence:
            block = []
            for inner in lines:
                if inner == "```":
                    break
                block.append(inner)
            header = re.fullmatch(r"# (\w+)(?:: (\S+))?", block[0])
            if not header or header[1] not in MACHINES:
                raise AssertionError(f"a block of the page names no machine in its first line: {block[0]}")
            if fence[1] == "yaml":
                steps.append(("file", header[1], header[2], "\n".join(block[1:]) + "\n"))
            elif fence[1] == "sh":
                for command in "\n".join(block[1:]).replace("\\\n", " ").splitlines():
                    steps += [("type", *one) for one in for_each(header[1], command)]
            else:
                raise AssertionError(f"a block of language {fence[1]}")
    return steps


class ByHand(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        enter_own_namespaces()

    def setUp(self):
        self.machines = Machines(MACHINES, "coordinator.example.org")
        self.addCleanup(self.machines.close)
        for number, name in enumerate(HOSPITALS):
            npz.write(self.machines.place(name, "/srv/consilium/chest.npz"), npz.dataset(*[npz.striped_images(count, number) for count in (48, 16, 16)]))
        self.copied, self.waiting, self.printed = set(), [], {}

    def copy(self, source, what, target, where):
        """Copies a file, or the contents of a folder. Fails if a file is copied for the second time."""
        origin, place = self.machines.place(source, what), self.machines.place(target, where)
        files = [file for file in origin.rglob("*") if file.is_file()] if origin.is_dir() else [origin]
        self.assertTrue(files, f"{source} has no {what}")
        for file in files:
            self.assertNotIn(file, self.copied, f"{source}: {what} is copied twice")
            self.copied.add(file)
            goal = place / file.relative_to(origin) if origin.is_dir() else place
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.write_bytes(file.read_bytes())
        for machine, command, typed in self.waiting:
            if machine == target and "join" in command:
                self.compare_roster(machine, typed)

    def type(self, machine, command):
        if command.startswith("consilium submit"):
            self.wait_until_it_listens()
        if " --wait " in command or " --watch" in command:
            self.waiting.append((machine, command, self.machines.type(machine, command, terminal="join" in command)))
            if "join" in command:
                self.compare_kit(machine, self.waiting[-1][2])
            return
        if "consilium-client approve" in command:
            try:
                eventually(lambda: "waits for approval" in self.machines.run(machine, "consilium-client jobs", check=False), f"{machine} is asked", 60, 0.5)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.everything()}") from error
        self.printed[command] = self.machines.run(machine, command, answers="yes\n" * 5 if re.search(r"\b(admit|approve)\b", command) else None)

    def wait_for(self, condition, machine, typed):
        """Waits for something that a command does, unless the command has ended."""
        eventually(lambda: condition() or typed.process.poll() is not None, f"the join at {machine}", 60)
        self.assertTrue(condition(), typed.output)

    def compare_kit(self, machine, typed):
        """Compares the fingerprints of root and kit with the authority's, says yes, and waits for the request."""
        self.wait_for(lambda: typed.output.endswith("Type yes or no: "), machine, typed)
        self.assertFalse(self.machines.place(machine, "/etc/consilium/client.yaml").exists(), "installed before the comparison")
        made = next(text for command, text in self.printed.items() if command.startswith("consilium ca kit"))
        root = re.search(r"(?m)^root  (\w{64})$", made)[1]
        kits = {name: digest for digest, name in re.findall(r"(?m)^kit   (\w{64})  kits/(\w+)$", made)}
        self.assertEqual(sorted(kits), HOSPITALS)
        self.assertIn(f"root  {root}\nkit   {kits[machine]}\n", typed.output)
        typed.answer("yes\n")
        self.wait_for(self.machines.place(machine, f"/etc/consilium/{machine}.csr").exists, machine, typed)

    def compare_roster(self, machine, typed):
        """Compares the roster's keys with those that the authority has confirmed, and says yes."""
        self.wait_for(lambda: typed.output.count("Type yes or no: ") == 2, machine, typed)
        self.assertFalse(self.machines.place(machine, "/etc/consilium/roster.yaml").exists(), "installed before the comparison")
        admitted = next(text for command, text in self.printed.items() if command.startswith("consilium ca admit"))
        keys = dict(re.findall(r"(?m)^(?:.* )?site (\w+): (\w{64})$", admitted))
        self.assertEqual(sorted(keys), HOSPITALS)
        for name, key in keys.items():
            self.assertIn(f"  {name}  {key}\n", typed.output)
        typed.answer("yes\n")
        self.wait_for(self.machines.place(machine, "/etc/consilium/roster.yaml").exists, machine, typed)

    def wait_until_it_listens(self):
        """Waits for the coordinator, which starts faster than a person types the next command."""
        eventually(self.machines.place("coordinator", "/var/lib/consilium/coordinator/port").exists, "the coordinator listens", 60)

    def everything(self):
        """Returns the output of the commands that are still running, and every service's log."""
        said = [f"--- {machine}: {command}\n{typed.output}" for machine, command, typed in self.waiting]
        logs = [f"--- log of {machine}\n{file.read_text()}" for machine in MACHINES for file in self.machines.place(machine, "~/").glob("*.log")]
        return "\n".join(said + logs)

    def test_three_hospitals_come_from_nothing_to_a_model_as_the_page_says(self):
        page = PAGE.read_text()
        steps = steps_of(page.partition("\n## A hospital that joins later")[0])
        commands = [step for step in steps if step[0] == "type"]
        self.assertLessEqual(len(commands), MOST_COMMANDS)
        self.assertIn(f"{len(commands)} commands", page)
        for kind, *step in steps:
            if kind == "file":
                machine, name, text = step
                self.machines.place(machine, name).write_text(text)
            elif kind == "copy":
                self.copy(*step)
            elif step[1].startswith("consilium fetch"):
                self.finish_waiting()
                self.type(*step)
            else:
                self.type(*step)
        report = json.loads((self.machines.place("ada", "results") / "report.json").read_text())
        self.assertEqual((report["phase"], report["masks"], report["secure_aggregation"]), ("finished", "on", "required"))
        self.assertEqual(sorted(report["rounds"][-1]["contributed"]), HOSPITALS)
        for earlier, later in (("submitted", "started"), ("started", "ended")):
            self.assertLessEqual(report[earlier], report[later])
        self.assertGreater((self.machines.place("ada", "results") / "model.safetensors").stat().st_size, 1000)
        for name in HOSPITALS:
            self.assertEqual(self.machines.place(name, f"/etc/consilium/{name}.key").stat().st_mode & 0o777, 0o600)
        for machine in MACHINES:  # each key is only where it was made
            keys = {file.name for place in ("/etc/consilium", "~/") for file in self.machines.place(machine, place).rglob("*") if file.is_file() and b"PRIVATE KEY" in file.read_bytes()}
            self.assertEqual(keys, {"authority": {"root.key"}, "coordinator": {"main.key"}}.get(machine, {f"{machine}.key"}))

    def finish_waiting(self):
        """Waits for the commands that were still running."""
        for _, _, typed in self.waiting:
            self.assertEqual(typed.process.wait(timeout=180), 0, self.everything())


if __name__ == "__main__":
    unittest.main()
