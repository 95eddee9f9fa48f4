"""A researcher's attack on one hospital, with an honest coordinator: jobs whose sums differ only by that hospital.

An audit read a hospital's confusion matrix exactly in this way. It used two jobs, one over four hospitals and one over three of them. They
train from the same weights except for one flipped bit, at a learning rate that changes nothing. The difference of the two sums is the
fourth hospital. The attack here is that program. On plain sums it finds the truth, which shows that it works.
"""

import json
import shutil
import struct
import unittest

from consortium import Consortium, job, population, run
from sitedata import write_sites

FOUR = ["east", "north", "south", "west"]
THREE = FOUR[:3]
STILL = {"training": {"optimizer": {"name": "sgd", "learning_rate": 1e-30}}, "evaluation": {"every": 1, "split": "test"}}


def start(consortium):
    consortium.start_coordinator()
    data = {**write_sites(consortium.folder, THREE), **write_sites(consortium.folder, ["west"], evaluation=20)}
    for site, data in data.items():
        consortium.start_site(site, {"chest": data})
    consortium.wait_connected()


def confusion(ended):
    return ended["history"][-1]["test"]["confusion"]


def flip_a_bit(consortium, model):
    """Writes a job's first model with one bit of its last weight flipped, and returns the file."""
    text = bytearray(model.read_bytes())
    last = struct.unpack("<I", text[-4:])[0]
    text[-4:] = struct.pack("<I", last ^ 1)
    file = consortium.folder / "a-bit-apart.safetensors"
    file.write_bytes(text)
    return file


def attack(sums):
    """Returns a researcher's best estimate of west's confusion matrix from (sites, summed matrix) pairs.

    Two sums whose sites differ by west give it exactly. Without such a pair only a quarter of a sum over all four remains.
    """
    for more, larger in sums:
        for fewer, smaller in sums:
            if set(more) - set(fewer) == {"west"} and set(fewer) <= set(more):
                return [a - b for a, b in zip(larger, smaller)]
    return guess(sums)


def guess(sums):
    whole = next(matrix for sites, matrix in sums if len(sites) == len(FOUR))
    return [count / len(FOUR) for count in whole]


def error(estimate, truth):
    return sum(abs(a - b) for a, b in zip(estimate, truth))


class TwoJobsASiteApart(unittest.TestCase):
    def plain(self):
        """Runs the attack on plain sums. Checks that it finds west's true matrix, and returns this."""
        with Consortium(FOUR) as consortium:
            start(consortium)

            def total(*sites, **sections):
                ended = consortium.wait_ended(consortium.submit(job(federation={"rounds": 1, "sites": list(sites), "minimum_sites": len(sites)}, **STILL, **sections)))
                self.assertEqual(ended["phase"], "finished", ended["detail"])
                return ended

            everybody = total(*FOUR)
            nearly = flip_a_bit(consortium, consortium.fetch(everybody["job_id"]) / "model.safetensors")
            truth = confusion(total("west"))
            found = attack([(FOUR, confusion(everybody)), (THREE, confusion(total(*THREE, initial_weights=str(nearly))))])
            self.assertEqual(found, truth)
            return truth

    def roster_without_west(self, consortium):
        """Writes the roster of a consortium that never had west, with the authority's own command."""
        folder = consortium.folder / "three"
        shutil.copytree(consortium.folder / "ca", folder)
        described = folder / "consortium.yaml"
        described.write_text(json.dumps({"colluding": 1, "populations": population(groups=[THREE])}))
        run("consilium", "ca", "roster", "--ca", folder, "--out", folder / "roster.yaml", "--consortium", described)
        return folder / "roster.yaml"

    def test_masked_sums_tell_no_more_than_their_total(self):
        truth = self.plain()
        with Consortium(FOUR, populations=population()) as consortium:
            start(consortium)
            sums, refused = [], []

            def ask(sites, roster=consortium.roster, **sections):
                spec = {**job(masked=True, **{**STILL, **sections, "federation": {"rounds": 1, **sections.get("federation", {})}})}
                del spec["privacy"]
                file = consortium.folder / "job.yaml"
                file.write_text(json.dumps(spec))
                made = consortium.command("submit", file, "--roster", roster, "--json", check=False)
                if made.returncode != 0:
                    refused.append(made.stderr)
                    return None
                ended = consortium.wait_ended(json.loads(made.stdout)["job_id"])
                if ended["phase"] == "finished":
                    sums.append((sites, confusion(ended)))
                else:
                    refused.append(ended["detail"])
                return ended

            everybody = ask(FOUR)
            self.assertEqual(everybody["phase"], "finished", everybody["detail"])
            nearly = str(flip_a_bit(consortium, consortium.fetch(everybody["job_id"]) / "model.safetensors"))
            ask(THREE, initial_weights=nearly, federation={"sites": THREE})
            ask(THREE, initial_weights=nearly, roster=self.roster_without_west(consortium))
            for fraction in (0.5, 0.75):  # two cohorts of one job's list; each draws whole groups, and there is only one
                ended = ask(FOUR, seed=int(100 * fraction), federation={"fraction": fraction})
                self.assertEqual(ended["phase"], "finished", ended["detail"])
                self.assertEqual(sorted(ended["history"][0]["contributed"]), FOUR)
            self.assertEqual(len(refused), 2, refused)
            self.assertEqual([sites for sites, _ in sums], [FOUR] * 3)
            self.assertGreater(error(guess(sums), truth), 0)
            self.assertGreaterEqual(error(attack(sums), truth), error(guess(sums), truth))


if __name__ == "__main__":
    unittest.main()
