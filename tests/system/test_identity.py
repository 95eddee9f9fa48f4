"""Who may connect: certificates of the right root and role alone, and a refusal is in the log before any work."""

import unittest

from consortium import Consortium, eventually, free_port, job, run
from sitedata import write_sites


class Identity(unittest.TestCase):
    def refused_site(self, make_tls, *words):
        """Starts a site with TLS files of make_tls(consortium) and expects that it never gets in."""
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            coordinator = consortium.start_coordinator()
            tls = make_tls(consortium)
            site = consortium.start_site("east", {"chest": data["east"]}, tls=tls)
            site.wait_for_log("coordinator 127.0.0.1")
            self.assertEqual(consortium.connected_sites(), [])
            for word in words:
                eventually(lambda word=word: word in coordinator.log, f"'{word}' in the coordinator's log:\n{coordinator.log}")

    def test_a_site_certified_by_another_root_is_refused(self):
        def foreign(consortium):
            run("consilium", "ca", "init", consortium.folder / "foreign", "--name", consortium.name)
            folder = consortium.certify("site", "east", folder=consortium.folder / "east-foreign", authority=consortium.folder / "foreign")
            return {**consortium.tls("east", folder), "root": str(consortium.folder / "east" / "root.pem"),
                    "revocation_list": str(consortium.folder / "east" / "crl.pem")}

        self.refused_site(foreign, "refused")

    def test_an_expired_certificate_is_refused(self):
        def expired(consortium):
            folder = consortium.certify("site", "east", folder=consortium.folder / "east-expired", days=0)
            return consortium.tls("east", folder)

        self.refused_site(expired, "refused")

    def test_a_certificate_of_the_wrong_role_is_refused(self):
        def researcher(consortium):
            return consortium.tls("ada", consortium.folder / "ada")

        self.refused_site(researcher, "role", "ada")

    def test_a_site_may_not_submit_jobs(self):
        with Consortium(["east"]) as consortium:
            coordinator = consortium.start_coordinator()
            refused = consortium.command("jobs", researcher="east", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("role", refused.stderr)
            eventually(lambda: "east" in coordinator.log, "the refusal is in the log")

    def test_a_client_refuses_a_coordinator_that_another_root_certified(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            coordinator = consortium.start_coordinator()
            run("consilium", "ca", "init", consortium.folder / "foreign", "--name", consortium.name)
            tls = {**consortium.tls("east"), "root": str(consortium.folder / "foreign" / "root.pem"),
                   "revocation_list": str(consortium.folder / "foreign" / "crl.pem")}
            site = consortium.start_site("east", {"chest": data["east"]}, tls=tls)
            site.wait_for_log("coordinator 127.0.0.1")
            self.assertNotIn("site east: connected", coordinator.log)

    def test_a_site_cannot_pose_as_the_coordinator(self):
        with Consortium(["east", "west"]) as consortium:
            data = write_sites(consortium.folder, ["east", "west"])
            coordinator = consortium.start_coordinator(tls=consortium.tls("west"))
            site = consortium.start_site("east", {"chest": data["east"]})
            site.wait_for_log("coordinator 127.0.0.1")
            self.assertNotIn("site east: connected", coordinator.log)

    def test_a_revoked_site_is_refused_without_a_restart(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            coordinator = consortium.start_coordinator()
            consortium.start_site("east", {"chest": data["east"]})
            consortium.wait_connected()
            run("consilium", "ca", "revoke", "--ca", consortium.folder / "ca", "--role", "site", "--name", "east")
            (consortium.folder / "coordinator" / "crl.pem").write_bytes((consortium.folder / "ca" / "crl.pem").read_bytes())

            eventually(lambda: self.restart_is_refused(consortium, data), "the revoked site is refused", seconds=60, every=1)
            self.assertIsNone(coordinator.process.poll())

    def restart_is_refused(self, consortium, data):
        consortium.daemons["east"].terminate()
        eventually(lambda: consortium.connected_sites() == [], "the coordinator noticed that east left")
        site = consortium.start_site("east", {"chest": data["east"]})
        eventually(lambda: "coordinator 127.0.0.1" in site.log or "connected to" in site.log, "east was let in or refused")
        return consortium.connected_sites() == [] and "connected to" not in site.log.rsplit("stopping", 1)[-1]

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
            site.wait_for_log("coordinator 127.0.0.1")
            self.assertEqual(consortium.connected_sites(), [])


if __name__ == "__main__":
    unittest.main()
