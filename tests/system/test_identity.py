"""Checks the right to connect: only certificates of the right root and role, and a refusal is in the log before any work."""

import subprocess
import unittest

from consortium import Consortium, eventually, free_port, job, run
from sitedata import write_sites


class Identity(unittest.TestCase):
    def knock(self, consortium, folder, key):
        """Opens a TLS connection with a certificate, through OpenSSL, and closes it again."""
        subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{consortium.port}", "-tls1_3", "-alpn", "h2",
                        "-CAfile", consortium.folder / "ca" / "root.pem", "-cert", folder / "certificate.pem", "-key", folder / key],
                       input=b"", capture_output=True, timeout=20)

    def assert_refused(self, consortium, folder, *words):
        """Checks that the coordinator refuses the certificate in the handshake and states the reason, and that our own client doesn't even
        try."""
        coordinator = consortium.daemons["coordinator"]
        self.knock(consortium, folder, "east.key")
        for word in ("refused", *words):
            eventually(lambda word=word: word in coordinator.log, f"'{word}' in the coordinator's log:\n{coordinator.log}", 10)
        data = write_sites(consortium.folder, ["east"])
        site = consortium.start_site("east", {"chest": data["east"]}, tls=consortium.tls("east", folder))
        eventually(lambda: site.process.poll() is not None or consortium.connected_sites() == [], "the client is not let in")
        self.assertEqual(consortium.connected_sites(), [])

    def test_a_site_certified_by_another_root_is_refused(self):
        with Consortium(["east"]) as consortium:
            consortium.start_coordinator()
            run("consilium", "ca", "init", consortium.folder / "foreign", "--name", consortium.name)
            folder = consortium.certify("site", "east", folder=consortium.folder / "east-foreign", authority=consortium.folder / "foreign")
            self.assert_refused(consortium, folder)

    def test_an_expired_certificate_is_refused(self):
        with Consortium(["east"]) as consortium:
            consortium.start_coordinator()
            folder = consortium.certify("site", "east", folder=consortium.folder / "east-expired", days=0)
            self.assert_refused(consortium, folder, "expired")

    def test_a_certificate_of_the_wrong_role_does_not_start_a_site(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            consortium.start_coordinator()
            site = consortium.start_site("east", {"chest": data["east"]}, tls=consortium.tls("ada"))
            eventually(lambda: site.process.poll() is not None, "the client gives up")
            self.assertEqual(site.process.returncode, 1)
            self.assertIn("researcher/ada", site.log)

    def test_a_site_may_not_ask_what_researchers_ask(self):
        with Consortium(["east"]) as consortium:
            coordinator = consortium.start_coordinator()
            refused = consortium.command("jobs", researcher="east", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("a site is not allowed to connect here", refused.stderr)
            eventually(lambda: "site/east" in coordinator.log, "the refusal is in the log")

    def test_a_client_refuses_a_coordinator_that_another_root_certified(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            run("consilium", "ca", "init", consortium.folder / "foreign", "--name", consortium.name)
            impostor = consortium.certify("coordinator", "impostor", "--host", "127.0.0.1", folder=consortium.folder / "impostor",
                                          authority=consortium.folder / "foreign")
            coordinator = consortium.start_coordinator(tls=consortium.tls("impostor", impostor))
            site = consortium.start_site("east", {"chest": data["east"]})
            site.wait_for_log("cannot attend the coordinator at 127.0.0.1")
            self.assertNotIn("connected to the coordinator", site.log)
            self.assertNotIn("site east: connected", coordinator.log)

    def test_a_site_cannot_pose_as_the_coordinator(self):
        with Consortium(["east", "west"]) as consortium:
            with self.assertRaisesRegex(AssertionError, "site/west"):
                consortium.start_coordinator(tls=consortium.tls("west"))

    def hand_list(self, consortium, member):
        """Gives a member the authority's newest revocation list."""
        fresh = consortium.folder / member / "crl.new"
        fresh.write_bytes((consortium.folder / "ca" / "crl.pem").read_bytes())
        fresh.rename(consortium.folder / member / "crl.pem")

    def revoke(self, consortium, site):
        run("consilium", "ca", "revoke", "--ca", consortium.folder / "ca", "--role", "site", "--name", site)
        self.hand_list(consortium, "coordinator")

    def test_a_researcher_refuses_a_revoked_coordinator_and_reads_what_to_do(self):
        with Consortium([]) as consortium:
            consortium.start_coordinator()
            listed = consortium.command("jobs")
            self.assertEqual(listed.stderr, "")
            run("consilium", "ca", "revoke", "--ca", consortium.folder / "ca", "--role", "coordinator", "--name", "coordinator")
            self.hand_list(consortium, "ada")
            refused = consortium.command("jobs", check=False)
            self.assertEqual(refused.returncode, 5)
            self.assertIn("certificate revoked", refused.stderr)
            self.assertIn("ask the consortium's certificate authority", refused.stderr)

    def test_a_researcher_without_a_list_is_warned_once_and_with_an_old_one_refused(self):
        with Consortium([]) as consortium:
            consortium.start_coordinator()
            tls = consortium.tls("ada")
            bare = ["--coordinator", f"127.0.0.1:{consortium.port}", "--root", tls["root"], "--certificate", tls["certificate"], "--key", tls["key"],
                    "--config", consortium.folder / "ada" / "empty.yaml"]
            (consortium.folder / "ada" / "empty.yaml").write_text("{}")
            self.assertEqual(run("consilium", "jobs", *bare).stderr.count("warning: without a revocation list"), 1)

            old = (consortium.folder / "ada" / "crl.pem").read_bytes()
            run("consilium", "ca", "renew-list", "--ca", consortium.folder / "ca")
            self.hand_list(consortium, "ada")
            consortium.command("jobs")
            (consortium.folder / "ada" / "crl.pem").write_bytes(old)
            refused = consortium.command("jobs", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertRegex(refused.stderr, "crl.pem: this is revocation list 1, older than list 2")

    def test_a_list_that_ends_within_a_week_is_warned_of_in_both_logs_and_on_stderr(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            run("consilium", "ca", "renew-list", "--ca", consortium.folder / "ca", "--days", "3")
            for member in ("coordinator", "east", "ada"):
                self.hand_list(consortium, member)
            daemons = [consortium.start_coordinator(), consortium.start_site("east", {"chest": data["east"]})]
            for daemon in daemons:
                daemon.wait_for_log("crl.pem: the revocation list ends 20")
            self.assertEqual(consortium.command("jobs").stderr.count("warning: "), 1)
            self.assertIn("the revocation list ends 20", consortium.command("jobs").stderr)

    def test_a_list_that_has_ended_lets_nobody_in_until_a_new_one_lies_there(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            coordinator = consortium.start_coordinator()
            site = consortium.start_site("east", {"chest": data["east"]})
            consortium.wait_connected()
            ended = consortium.write_ended_list(number=2)
            ended.rename(consortium.folder / "coordinator" / "crl.pem")
            refused = consortium.command("jobs", check=False)
            self.assertEqual(refused.returncode, 5)
            coordinator.wait_for_log("crl.pem: the revocation list ended 20")
            run("consilium", "ca", "renew-list", "--ca", consortium.folder / "ca", "--above", "2")
            self.hand_list(consortium, "coordinator")
            consortium.wait_connected()

            consortium.write_ended_list(number=2).rename(consortium.folder / "east" / "crl.pem")
            site.wait_for_log("lost the coordinator at")
            self.assertIn("crl.pem: the revocation list ended 20", site.log)
            self.hand_list(consortium, "east")
            consortium.wait_connected()

    def test_an_older_list_is_refused_over_restarts_by_coordinator_and_client(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            old = (consortium.folder / "ca" / "crl.pem").read_bytes()
            run("consilium", "ca", "renew-list", "--ca", consortium.folder / "ca")
            for member in ("coordinator", "east"):
                self.hand_list(consortium, member)
            coordinator = consortium.start_coordinator()
            site = consortium.start_site("east", {"chest": data["east"]})
            consortium.wait_connected()
            for daemon in (site, coordinator):
                daemon.terminate()
            for member in ("coordinator", "east"):
                (consortium.folder / member / "crl.pem").write_bytes(old)
            words = "crl.pem: this is revocation list 1, older than list 2"
            with self.assertRaisesRegex(AssertionError, words):
                consortium.start_coordinator()
            site = consortium.start_site("east", {"chest": data["east"]})
            eventually(lambda: site.process.poll() is not None, "the client gives up")
            self.assertIn(words, site.log)

    def test_an_operator_lists_and_stops_any_job_and_gets_nothing_else(self):
        with Consortium(["east"]) as consortium:
            consortium.start_coordinator()
            consortium.certify("operator", "olga")
            job_id = consortium.submit(job())
            self.assertIn(job_id, consortium.command("jobs", researcher="olga").stdout)
            self.assertEqual(consortium.command("sites", researcher="olga").returncode, 0)
            for arguments in (["watch", job_id], ["fetch", job_id, "--out", consortium.folder / "fetched"]):
                refused = consortium.command(*arguments, researcher="olga", check=False)
                self.assertEqual(refused.returncode, 6, refused.stderr)
                self.assertIn("an operator is not allowed to connect here", refused.stderr)
            consortium.command("stop", job_id, researcher="olga")
            stopped = eventually(lambda: next((job for job in consortium.query("jobs") if job["phase"] == "stopped"), None), "the job is stopped")
            self.assertIn("operator olga", stopped["detail"])

    def test_a_revoked_site_is_put_out_and_kept_out_without_a_restart(self):
        with Consortium(["east", "west"]) as consortium:
            data = write_sites(consortium.folder, ["east", "west"])
            coordinator = consortium.start_coordinator()
            for site in ("east", "west"):
                consortium.start_site(site, {"chest": data[site]})
            consortium.wait_connected()
            self.revoke(consortium, "east")

            east = consortium.daemons["east"]
            east.wait_for_log("lost the coordinator at", seconds=15)
            self.assertIn("certificate revoked", east.log)
            self.assertRegex(coordinator.log, "refused site east at .*its stream ends: .*site/east: .*certificate revoked")
            east.wait_for_log("cannot attend the coordinator at")
            self.assertEqual(consortium.connected_sites(), ["west"])
            self.assertNotIn("lost", consortium.daemons["west"].log)
            self.assertIsNone(coordinator.process.poll())

    def test_a_second_client_with_the_same_name_is_refused_while_the_first_lives(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            coordinator = consortium.start_coordinator()
            first = consortium.start_site("east", {"chest": data["east"]})
            consortium.wait_connected()
            second = consortium.start_site("east", {"chest": data["east"]}, state_dir=str(consortium.folder / "east" / "state2"))
            consortium.daemons["first"] = first
            eventually(lambda: "already" in second.log or "already" in coordinator.log, "the second client is refused")
            first.kill()
            eventually(lambda: second.log.count("connected to") >= 1, "the second takes over once the first is dead", seconds=60)

    def test_the_way_out_may_be_a_proxy(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            consortium.start_coordinator()
            from connect_proxy import ConnectProxy

            with ConnectProxy() as proxy:
                consortium.start_site("east", {"chest": data["east"]}, proxy=f"127.0.0.1:{proxy.port}")
                consortium.wait_connected()
                ended = consortium.wait_ended(consortium.submit(job()))
                self.assertEqual(ended["phase"], "finished", ended["detail"])
                self.assertIn(f"127.0.0.1:{consortium.port}", proxy.targets)

    def test_without_the_proxy_a_configured_proxy_is_not_bypassed(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            consortium.start_coordinator()
            site = consortium.start_site("east", {"chest": data["east"]}, proxy=f"127.0.0.1:{free_port()}")
            site.wait_for_log("cannot attend the coordinator at 127.0.0.1")
            self.assertEqual(consortium.connected_sites(), [])


if __name__ == "__main__":
    unittest.main()
