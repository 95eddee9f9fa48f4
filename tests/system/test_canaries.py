"""Searches everything that leaves one hospital, west, for its texts, pixels and numbers: what its client sends, the coordinator's files and
log, the other hospitals' logs, and what the researcher's command prints and fetches."""

import base64
import contextlib
import gzip
import json
import os
import signal
import struct
import threading
import unittest

from canaries import Canaries, forms_of, forms_of_pixels
from canarydata import SIDE, TEXTS, VOLUME, Hospital, vast_png
from consortium import POLICY, Consortium, children_of, eventually, job, name_of, population, run
from recordingproxy import RecordingProxy, bodies

SITES = ["east", "north", "south", "west"]
PLANTED = "marzipan-lighthouse"
TASKS = "[classification, segmentation, detection]"
LINEAR = {"layers": ["flatten", {"linear": 2}], "input": [1, SIDE, SIDE], "classes": 2}


def convolution(channels, stride=1, **keys):
    return {"conv": {"channels": channels, "kernel": 3, "stride": stride, "padding": 1}, **keys}


DETECTOR = {"layers": [convolution(4, 4), {"relu": {}, "name": "features"}, convolution(1, 2, name="classes"), convolution(4, 2, name="sides", **{"from": "features"}),
                       convolution(1, 2, name="centre", **{"from": "features"})],
            "outputs": ["classes", "sides", "centre"], "input": [1, SIDE, SIDE], "classes": 1}
UNET = {"name": "unet", "width": 4, "depth": 1, "input": [1, VOLUME, VOLUME, VOLUME], "classes": 2}
GOOD = {"dicom": ("classification", LINEAR), "table": ("classification", LINEAR), "nifti": ("segmentation", UNET), "coco": ("detection", DETECTOR)}


def spec_of(name, task, model, masked, **sections):
    spec = job(masked, name=f"{PLANTED}-{name}", task=task, federation={"rounds": 1, "deadline": "60s"}, training={"batch_size": 4}, **sections)
    spec.update(model=model, data={"dataset": name})
    if masked:
        del spec["privacy"]
    else:
        spec["federation"].update(sites=SITES, minimum_sites=3, quorum=0.75)
    return spec


class Search(unittest.TestCase):
    """Checks that the search finds what it is for."""

    def test_every_form_of_a_text_is_found_wherever_it_begins(self):
        for text in ("Quillfeather^Zebulon", "19370413", "rue du Chèvrefeuille 12"):
            canaries = Canaries({"text": text})
            for form, (content, _) in forms_of(text).items():
                for before in range(3):
                    hidden = b"\xfe" * before + content + b"\0tail"
                    for packed in (hidden, b"head" + gzip.compress(hidden), gzip.compress(gzip.compress(hidden))):
                        self.assertTrue(canaries.found_in(packed), (text, form, before))
            self.assertFalse(canaries.found_in(text[1:].encode() * 3))

    def test_a_text_is_found_in_any_case_and_in_base64_of_a_longer_one(self):
        canaries = Canaries({"text": "Quillfeather^Zebulon"})
        for text in ("quillfeather^zebulon", "QUILLFEATHER^ZEBULON", "qUILLFEATHER^ZebuloN"):
            self.assertTrue(canaries.found_in(f"see {text}.".encode()))
        for before in range(4):
            self.assertTrue(canaries.found_in(base64.b64encode(b"x" * before + b"Quillfeather^Zebulon, 61")))

    def test_a_row_of_pixels_is_found_in_every_type_of_number(self):
        row = bytes(range(40, 72))
        canaries = Canaries(pixels={"row": row})
        for form, (content, _) in forms_of_pixels(row).items():
            self.assertTrue(canaries.found_in(b"\7" + content + b"\7"), form)

    def test_streams_are_put_together_from_frames(self):
        def frame(kind, flags, stream, payload):
            return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

        connection = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(0, 0, 1, b"Quillfe") + frame(0, 0, 3, b"other") + frame(0, 8, 1, b"\2ather\0\0")
        self.assertEqual(bodies(connection), {1: b"Quillfeather", 3: b"other"})


class Leaves:
    """A consortium whose hospitals reach the coordinator through recording proxies. West's data are full of canaries."""

    def __init__(self, consortium):
        self.consortium, self.told, self.stack = consortium, {}, contextlib.ExitStack()
        consortium.start_coordinator()
        self.hospitals = {site: Hospital(consortium.folder / "data", site, TEXTS if site == "west" else None, number) for number, site in enumerate(SITES)}
        self.proxies = {site: self.stack.enter_context(RecordingProxy(consortium.tls("coordinator"), consortium.tls(site), consortium.port)) for site in SITES}

    def start(self, data, **options):
        """`data` is {site: {name: description}}."""
        names = ", ".join(data["west"])
        for site in SITES:
            self.consortium.start_site(site, data[site], policy=POLICY.replace("[chest]", f"[{names}]").replace("[classification]", TASKS),
                                       coordinator=f"127.0.0.1:{self.proxies[site].port}", **options)
        self.consortium.wait_connected()

    def hear(self, name, text):
        self.told[f"{name} {len(self.told)}"] = text.encode()

    def watch(self, job_id):
        """Waits until the job has ended, and keeps everything that the researcher can read about it. Returns its last status."""
        ended = self.consortium.wait_ended(job_id)
        self.hear("status", json.dumps(ended))
        for command in (["watch", job_id], ["watch", job_id, "--json"], ["jobs"], ["jobs", "--json"], ["sites"], ["sites", "--json"]):
            done = self.consortium.command(*command, check=False)
            self.hear(" ".join(command), done.stdout + done.stderr)
        if ended["phase"] == "finished":
            for file in self.consortium.fetch(job_id).rglob("*"):
                if file.is_file():
                    self.told[f"fetched {job_id} {file.name}"] = file.read_bytes()
        return ended

    def everything(self):
        """Returns {where: bytes} of everything that leaves west, in groups: what it sends, what others receive, files, logs, and the
        researcher's."""
        groups = {"west sends": self.proxies["west"].sent, "others receive": [kept for site in SITES[:3] for kept in self.proxies[site].received]}
        found = {}
        for group, connections in groups.items():
            for number, connection in enumerate(connections):
                found[f"{group}, connection {number}"] = bytes(connection)
                found.update({f"{group}, connection {number}, stream {stream}": body for stream, body in bodies(connection).items()})
        state = self.consortium.folder / "coordinator"
        found.update({f"the coordinator's {file.relative_to(state)}": file.read_bytes() for file in state.rglob("*") if file.is_file() and file.suffix not in (".key", ".pem")})
        found.update({f"the log of {site}": self.consortium.daemons[site].log.encode() for site in SITES[:3]})
        found.update({f"the researcher's {name}": content for name, content in self.told.items()})
        return found


class Canary(unittest.TestCase):
    @contextlib.contextmanager
    def leaves(self, **options):
        with Consortium(SITES, **options) as consortium:
            leaves = Leaves(consortium)
            with leaves.stack:
                yield leaves

    def assert_nothing_leaves(self, leaves, canaries):
        """Fails if a canary is in something that leaves west, or if the job's name is missing where it must be."""
        everything, planted = leaves.everything(), Canaries({"job's name": PLANTED})
        for place in ("west sends, connection", "others receive, connection", "the coordinator's log", "the coordinator's state", "the log of east",
                      "the researcher's jobs", "the researcher's watch"):
            self.assertTrue(any(where.startswith(place) and planted.found_in(content) for where, content in everything.items()), f"the job's name isn't in {place}")
        self.assertTrue(any(b"/consilium.v1.Federation/Attend" in content for where, content in everything.items() if where.startswith("west sends")), "headers are packed")
        for where, content in everything.items():
            self.assertEqual(canaries.found_in(content), [], where)

    def contact_sheet(self, leaves, description):
        """Writes a contact sheet at west, and returns parts of its bytes."""
        folder = leaves.consortium.folder / "west"
        (folder / "table.yaml").write_text(json.dumps(description))
        run("consilium-trainer", "inspect", folder / "table.yaml", "--sheet", folder / "sheet.png")
        sheet = (folder / "sheet.png").read_bytes()
        return {f"byte {at} of the contact sheet": sheet[at:at + 24] for at in range(100, len(sheet) - 24, len(sheet) // 8)}

    def own_numbers(self, leaves, spec, job_id):
        """Returns west's own loss on its test split, computed by its own trainer, as text and as bytes."""
        folder = leaves.consortium.folder
        (folder / "evaluated.json").write_text(json.dumps(spec))
        model = leaves.consortium.fetch(job_id) / "model.safetensors"
        (folder / "west.yaml").write_text(json.dumps(json.loads((folder / "west" / "client.yaml").read_text())["datasets"][spec["data"]["dataset"]]))
        done = run("consilium-trainer", "evaluate", folder / "evaluated.json", "--model", model, "--data", folder / "west.yaml", "--split", "test", "--json")
        loss = json.loads(done.stdout)["loss"]
        exact = {"west's loss, float64": struct.pack("<d", loss), "west's loss, float32": struct.pack("<f", loss)}
        return {"west's loss": f"{loss:.7f}"[:7]}, exact

    def test_masked_jobs_of_every_format(self):
        with self.leaves(populations=population(datasets=list(GOOD))) as leaves:
            data = {site: {"dicom": of.write_dicom(), "table": of.write_table(), "nifti": of.write_nifti(), "coco": of.write_coco()} for site, of in leaves.hospitals.items()}
            leaves.start(data)
            exact = self.contact_sheet(leaves, data["west"]["table"])
            texts = dict(TEXTS)
            for name, (task, model) in GOOD.items():
                spec = spec_of(name, task, model, masked=True)
                ended = leaves.watch(leaves.consortium.submit(spec))
                self.assertEqual(ended["phase"], "finished", ended["detail"])
                self.assertEqual(ended["history"][0]["test"]["examples"], 4 * 4)  # the sum is present
                if task == "classification":
                    own, bytes_of_it = self.own_numbers(leaves, spec, ended["job_id"])
                    texts.update({f"{key} ({name})": value for key, value in own.items()})
                    exact.update({f"{key} ({name})": value for key, value in bytes_of_it.items()})
            self.assert_nothing_leaves(leaves, Canaries(texts, leaves.hospitals["west"].rows, exact))

    def write_broken(self, west):
        """Writes data sets that west can't train on, or only in part: {name: (description, text in its own log)}."""
        def cut(label):
            return west.png(label)[:90]

        class_of_nobody = f"{west.of('free text in a table')}?"
        same = west.png(0)
        broken = {
            "unreadable": (west.write_table("unreadable", images={("train", 0): cut(0), ("train", 1): cut(1), ("test", 1): cut(1)}), "can't be read"),
            "patients": (west.write_table("patients", patients={("train", 0): west.of("patient in a table"), ("test", 0): west.of("patient in a table")}), "a patient is in two splits"),
            "unlabelled": (west.write_table("unlabelled", labels={("train", 3): ""}), "expected one of labels.classes"),
            "words": (west.write_table("words", labels={("train", 3): class_of_nobody}), "expected one of labels.classes"),
            "splits": (west.write_table("splits", splits={("train", 2): west.of("free text in a table")}), "expected train, val or test"),
            "copies": (west.write_table("copies", images={("train", 0): same, ("test", 0): same}), "the same image is in two splits"),
            "vast": (west.write_table("vast", images={("train", 0): vast_png()}), west.of("file")),
            "missing": (west.write_table("missing"), west.of("file")),
            "arrays": (west.write_arrays(label=219), west.of("file")),
            "vanishing": ({**west.write_table("vanishing"), "loading": {"cache": "1KiB"}}, west.of("file")),
            "dying": (west.write_table("dying"), "the decoder no longer answers")}
        for split, number, _ in west.items():
            (west.folder / "missing" / west.name(split, number, "png")).unlink()
        return broken

    def remove_files(self, leaves, job_id):
        """Waits until the job is training, and removes west's images."""
        leaves.consortium.wait_phase(job_id, "training", 1)
        west = leaves.hospitals["west"]
        for split, number, _ in west.items():
            (west.folder / "vanishing" / west.name(split, number, "png")).unlink()

    def kill_decoders(self, leaves, stopped):
        """Repeatedly kills the processes that decode west's images."""
        while not stopped.wait(0.01):
            for child in children_of(leaves.consortium.daemons["west"].pid):
                if name_of(child) == "consilium-decode":
                    for process in (*children_of(child), child):
                        with contextlib.suppress(OSError):
                            os.kill(process, signal.SIGKILL)

    def test_plain_jobs_that_fail_at_one_hospital(self):
        with self.leaves() as leaves:
            west = leaves.hospitals["west"]
            broken = self.write_broken(west)
            data = {site: dict.fromkeys(broken, leaves.hospitals[site].write_table()) for site in SITES[:3]}
            leaves.start({**data, "west": {name: description for name, (description, _) in broken.items()}})
            for name, (_, said) in broken.items():
                stopped = threading.Event()
                killer = threading.Thread(target=self.kill_decoders, args=(leaves, stopped))
                with self.subTest(name):
                    before = len(leaves.consortium.daemons["west"].log)
                    if name == "dying":
                        killer.start()
                    try:
                        spec = spec_of(name, "classification", LINEAR, masked=False)
                        if name == "vanishing":
                            spec["training"]["local_epochs"] = 500
                        job_id = leaves.consortium.submit(spec)
                        if name == "vanishing":
                            self.remove_files(leaves, job_id)
                        ended = leaves.watch(job_id)
                    finally:
                        stopped.set()
                    self.assertEqual(ended["phase"], "finished", ended["detail"])
                    self.assertIn(said, leaves.consortium.daemons["west"].log[before:])  # the error has occurred
            self.assert_nothing_leaves(leaves, Canaries(TEXTS, west.rows))
            self.assertIn("west: training failed: not_found; the site's log says why", leaves.consortium.daemons["coordinator"].log)

    def test_a_masked_job_that_fails_at_one_hospital(self):
        with self.leaves(populations=population(datasets=["patients"])) as leaves:
            west = leaves.hospitals["west"]
            data = {site: {"patients": leaves.hospitals[site].write_table()} for site in SITES[:3]}
            leaves.start({**data, "west": {"patients": self.write_broken(west)["patients"][0]}})
            job_id = leaves.consortium.submit(spec_of("patients", "classification", LINEAR, masked=True))
            leaves.consortium.daemons["west"].wait_for_log("a patient is in two splits")
            eventually(lambda: "west" in leaves.consortium.status(job_id)["detail"] or leaves.consortium.status(job_id)["phase"] == "failed", "the job tells of west", seconds=60)
            leaves.hear("status", json.dumps(leaves.consortium.status(job_id)))
            leaves.consortium.command("stop", job_id, check=False)
            leaves.watch(job_id)
            self.assert_nothing_leaves(leaves, Canaries(TEXTS, west.rows))


if __name__ == "__main__":
    unittest.main()
