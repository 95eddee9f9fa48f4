"""Checks README.md, CONTRIBUTING.md, SECURITY.md and docs/ against the repository: links, paths, commands with their options, keys of jobs,
a site's checks.

CONSILIUM_BIN_DIR names the folder of the built programs, CONSILIUM_PROGRAMS the programs of this build (separated by commas). Commands of
other programs are not checked. Needs only Python's standard library.
"""

import functools
import os
import pathlib
import re
import shlex
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("CONSILIUM_BIN_DIR", ROOT / "build/release/bin"))
PROGRAMS = [name for name in os.environ.get("CONSILIUM_PROGRAMS", "").split(",") if name]

LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")
FOLDERS = "scripts|examples|configs|docs|tests|benchmarks|protocols|common|coordinator|client|simulation|cli"
PATH = re.compile(rf"(?<![\w/.$~-])(?:\./)?((?:{FOLDERS})/[\w./*-]*[\w*])")
# Positions at which a shell reads a word as a program: first in a line, after sudo, a pipe, "$(" or "ExecStart=".
PROGRAM = re.compile(r"(?:^|[|(;=]|\bsudo(?: -u \w+)?)\s*(?:[\w./-]*/)?(consilium(?:-coordinator|-client|-trainer)?)(?=\s|$)")
COMMAND_LANGUAGES = {"sh", "bash", "ini"}


def documents():
    return sorted([*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])


def fences_and_prose(text):
    """Returns the fenced blocks as (language, lines), and the text outside them."""
    blocks, prose, language, block = [], [], None, []
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            if language is None:
                language, block = line.strip().strip("`"), []
            else:
                blocks.append((language, block))
                language = None
        elif language is None:
            prose.append(line)
        else:
            block.append(line)
    return blocks, "\n".join(prose)


def anchors_of(file):
    """Returns the anchors of a page's headings: lower case, punctuation dropped, spaces as hyphens."""
    _, prose = fences_and_prose(file.read_text())
    headings = re.findall(r"^#{1,6} +(.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_texts(text):
    """Yields what a reader can type: lines of shell blocks, continuations joined, and code spans that begin with a program."""
    blocks, prose = fences_and_prose(text)
    for language, lines in blocks:
        if language in COMMAND_LANGUAGES:
            yield from "\n".join(lines).replace("\\\n", " ").splitlines()
    for span in re.findall(r"`([^`\n]+)`", prose):
        if re.match(r"consilium[\w-]*(\s|$)", span):
            yield span


def commands_in(line):
    """Yields (program, words) of each call of one of our programs in a line of shell."""
    for match in PROGRAM.finditer(line):
        rest = re.split(r"[|;&)`>]|\s#|<\(", line[match.end():])[0]
        try:
            yield match.group(1), shlex.split(rest)
        except ValueError:
            yield match.group(1), rest.split()


@functools.lru_cache(maxsize=None)
def help_of(*command):
    """Returns the options and subcommands that `command --help` lists."""
    done = subprocess.run([str(BIN / command[0]), *command[1:], "--help"], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} --help exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    listed = done.stdout.partition("\nSubcommands:\n")
    options = {option for line in listed[0].splitlines() if line.startswith("  -") for option in re.findall(r"--[\w-]+", line.split("  ")[1])}
    subcommands = []
    for line in listed[2].splitlines():
        found = re.match(r"  ([a-z][\w-]*)( |$)", line)
        if not found:
            break
        subcommands.append(found.group(1))
    return options, tuple(subcommands)


def problems_of(program, words):
    """Returns a description of what is wrong with a call, or None if nothing is."""
    path = (program,)
    options, subcommands = help_of(*path)
    known = set(options)
    for word in words:
        if word.startswith("--"):
            if word.split("=")[0] not in known:
                return f"{' '.join(path)} has no option {word}"
        elif subcommands and re.fullmatch(r"[a-z][a-z-]*", word):
            if word not in subcommands:
                # The value of an option of the program itself, unless a subcommand must come here.
                if len(path) == 1 and words[0] == word and program == "consilium":
                    return f"{program} has no subcommand {word}"
                continue
            path += (word,)
            options, subcommands = help_of(*path)
            known |= options
    return None


class Links(unittest.TestCase):
    def test_every_relative_link_leads_to_a_file_and_a_heading(self):
        broken = []
        for document in documents():
            blocks_removed = fences_and_prose(document.read_text())[1]
            for target in LINK.findall(blocks_removed):
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = target.partition("#")
                file = (document.parent / name).resolve() if name else document
                if not file.exists():
                    broken.append(f"{document.relative_to(ROOT)}: {target}: no such file")
                elif anchor and file.suffix == ".md" and anchor not in anchors_of(file):
                    broken.append(f"{document.relative_to(ROOT)}: {target}: no such heading")
        self.assertEqual(broken, [])

    def test_every_page_can_be_reached_from_the_readme(self):
        reached, waiting = set(), [ROOT / "README.md", ROOT / "docs/README.md"]
        while waiting:
            page = waiting.pop()
            if page in reached or not page.exists():
                continue
            reached.add(page)
            for target in LINK.findall(fences_and_prose(page.read_text())[1]):
                if target.partition("#")[0].endswith(".md") and not re.match(r"[a-z]+:", target):
                    waiting.append((page.parent / target.partition("#")[0]).resolve())
        decisions = ROOT / "docs/adr"  # one is linked, and its neighbours are beside it
        lost = [str(page.relative_to(ROOT)) for page in documents() if page not in reached and decisions not in page.parents]
        self.assertEqual(lost, [])


class License(unittest.TestCase):
    def test_the_license_is_apache_2_whole_and_linked_from_the_readme(self):
        words = (ROOT / "LICENSE").read_text().split()
        self.assertEqual(words[:4], ["Apache", "License", "Version", "2.0,"])
        self.assertEqual(len(words), 1581)
        self.assertIn("(LICENSE)", (ROOT / "README.md").read_text())


class Paths(unittest.TestCase):
    def test_every_path_into_the_repository_exists(self):
        missing = []
        for file in [*documents(), *(ROOT / "configs").iterdir()]:
            for path in PATH.findall(LINK.sub("", file.read_text())):
                if re.search(r"\b[A-Z]{2,}\b", path):
                    continue  # tests/fuzz/NAME
                pattern = path.rstrip(".")
                if not (ROOT / pattern).exists() and not any(ROOT.glob(pattern.rstrip("*") + "*")):
                    missing.append(f"{file.relative_to(ROOT)}: {path}")
        self.assertEqual(missing, [])

    def test_what_is_run_is_executable(self):
        for script in [*(ROOT / "scripts").iterdir(), *(ROOT / "examples").glob("*/run")]:
            self.assertTrue(os.access(script, os.X_OK), script)


class Commands(unittest.TestCase):
    def setUp(self):
        if not PROGRAMS:
            self.skipTest("CONSILIUM_PROGRAMS names no program of this build")

    def test_every_command_in_a_document_has_the_options_it_is_shown_with(self):
        wrong, looked_at = [], 0
        for document in documents():
            for line in command_texts(document.read_text()):
                for program, words in commands_in(line):
                    if program not in PROGRAMS:
                        continue
                    looked_at += 1
                    problem = problems_of(program, words)
                    if problem:
                        wrong.append(f"{document.relative_to(ROOT)}: {line.strip()}: {problem}")
        self.assertEqual(wrong, [])
        self.assertGreater(looked_at, 5 * len(PROGRAMS))

    def test_every_subcommand_and_option_of_consilium_is_in_its_reference(self):
        if "consilium" not in PROGRAMS:
            self.skipTest("this build has no consilium")
        reference = (ROOT / "docs/researcher/command.md").read_text()
        missing, waiting = [], [("consilium",)]
        while waiting:
            path = waiting.pop()
            options, subcommands = help_of(*path)
            missing += [" ".join((*path, option)) for option in options - {"--help"} if f"{option}`" not in reference and f"{option} " not in reference]
            missing += [" ".join((*path, name)) for name in subcommands if not re.search(rf"`(ca )?{name}[ `]|^## .*\b{name}\b", reference, re.MULTILINE)]
            waiting += [(*path, name) for name in subcommands]
        self.assertEqual(missing, [])

    def test_exit_codes_are_those_of_the_program(self):
        header = (ROOT / "cli/command.h").read_text()
        codes = {int(code) for code in re.findall(r"^\s+k\w+ = (\d+),", header, re.MULTILINE)}
        reference = (ROOT / "docs/researcher/command.md").read_text()
        self.assertEqual(codes, {int(code) for code in re.findall(r"^\| (\d+) \|", reference, re.MULTILINE)})


class JobKeys(unittest.TestCase):
    """Checks that docs/formats/job.md has every key of a job."""

    def setUp(self):
        page = (ROOT / "docs/formats/job.md").read_text()
        self.keys = {part for path in re.findall(r"^\| \**`([\w.]+)`", page, re.MULTILINE) for part in path.split(".")}
        self.words = self.words_of("docs/formats/job.md")

    @staticmethod
    def words_of(page):
        """Returns the words in code spans of a page."""
        return {word for span in re.findall(r"`([^`\n]+)`", (ROOT / page).read_text()) for word in re.findall(r"\w+", span)}

    def test_keys_of_the_examples(self):
        of_a_job = self.keys | self.words | self.words_of("docs/researcher/models.md")
        of_a_dataset = self.words_of("docs/formats/datasets.md")
        for file in (ROOT / "examples").rglob("*.yaml"):
            text = re.sub(r"#.*", "", file.read_text())
            for key in re.findall(r"(?:^|[{,\s])([a-z_0-9]+):(?=\s)", text, re.MULTILINE):
                self.assertIn(key, of_a_dataset if file.name.endswith("dataset.yaml") else of_a_job, f"{file.relative_to(ROOT)}: {key}")

    def test_keys_of_the_parser(self):
        source = "".join(file.read_text() for file in (ROOT / "common/job").glob("job_parse*.cpp"))
        sections = re.findall(r"Section \w+\([^;]*?\{([^}]*)\},\s*\{([^}]*)\}", source)
        keys = {key for both in sections for key in re.findall(r'"(\w+)"', "".join(both))}
        self.assertGreater(len(keys), 25)
        self.assertEqual(keys - self.keys - {"sha256", "path"}, set())  # of initial_weights, which are in its row
        self.assertLessEqual({"sha256", "path"}, self.words)


class Checks(unittest.TestCase):
    """Checks that docs/threat-model.md names each of a site's checks, and existing tests."""

    def setUp(self):
        page = (ROOT / "docs/threat-model.md").read_text()
        self.rows = [line for line in page.splitlines() if line.startswith("|")]

    def test_every_check_in_the_code_has_a_row_and_every_row_a_check(self):
        sources = [file for folder in ("common", "client") for file in (ROOT / folder).rglob("*.cpp")]
        marks = {name for file in sources for name in re.findall(r"// check: ([a-z0-9-]+)$", file.read_text(), re.MULTILINE)}
        rows = {found[1] for row in self.rows if (found := re.match(r"\| `([a-z0-9-]+)` \|", row))}
        self.assertGreater(len(marks), 30)
        self.assertEqual(rows, marks)

    def test_every_test_that_it_names_exists(self):
        cases = set()
        for file in (ROOT / "tests").rglob("*.cpp"):
            for literals in re.findall(r'\bTEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', file.read_text()):
                cases.add("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)))
        named = {name for row in self.rows for name in re.findall(r'"([^"]+)"', row)}
        self.assertGreater(len(named), 50)
        self.assertEqual(named - cases, set())


class Events(unittest.TestCase):
    """docs/hospital-it/logs.md lists the events of the logs."""

    def setUp(self):
        source = (ROOT / "common/logging/event.cpp").read_text()
        self.events = {name: (event, level.lower()) for event, name, level in re.findall(r'EventEntry\{Event::(k\w+), "([a-z_.]+)", Level::k(\w+)\}', source)}
        page = (ROOT / "docs/hospital-it/logs.md").read_text()
        self.rows = {name: (level, written_by) for name, level, written_by in re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (\w+) \| (\w+) \|", page, re.MULTILINE)}

    def test_every_event_has_a_row_with_its_level_and_every_row_an_event(self):
        self.assertGreater(len(self.events), 40)
        self.assertEqual({name: level for name, (level, _) in self.rows.items()}, {name: level for name, (_, level) in self.events.items()})

    def test_every_event_is_written_by_the_programs_that_its_row_names(self):
        used = {}
        for folder, programs in (("coordinator", {"coordinator"}), ("client", {"client"}), ("common", {"coordinator", "client"})):
            for file in (ROOT / folder).rglob("*.cpp"):
                if file.parent.name == "logging":
                    continue
                for event in re.findall(r"logging::Event::(k\w+)", file.read_text()):
                    used.setdefault(event, set()).update(programs)
        for name, (event, _) in self.events.items():
            programs = {"both": {"coordinator", "client"}}.get(self.rows[name][1], {self.rows[name][1]})
            self.assertEqual(programs - used.get(event, set()), set(), name)
        self.assertEqual(set(used) - {event for event, _ in self.events.values()}, set())

    def test_daemons_write_no_line_but_events(self):
        for folder in ("common", "client", "coordinator"):
            for file in (ROOT / folder).rglob("*.cpp"):
                if file.parent.name != "logging":
                    self.assertNotRegex(file.read_text(), r"spdlog::(trace|debug|info|warn|error|critical|log)\(", str(file.relative_to(ROOT)))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
