"""test_cloister.py FOLDER: the package against evidence of a pretend platform (FOLDER/good, FOLDER/other), an event log and a bundle."""
import base64
import json
import pathlib
import sys
import unittest

import cloister

FOLDER = pathlib.Path(sys.argv.pop())


def read(name):
    return (FOLDER / name).read_bytes()


def bundle(report):
    """Evidence as a guest sends it: a report and its certificates."""
    def member(kind, data):
        return [f"application/vnd.cloister.{kind}", base64.urlsafe_b64encode(data).rstrip(b"=").decode()]

    return json.dumps({
        "__cmwc_t": "tag:cloister.dev,2026:evidence",
        "snp-report": member("snp-report", report),
        "snp-certificates": member("snp-certificates", read("good/table.bin")),
    }).encode()


class Reports(unittest.TestCase):
    def setUp(self):
        self.root = bytes.fromhex(read("good/root").decode().strip())

    def test_genuine(self):
        answer = cloister.verify_snp(read("good/report.bin"), read("good/table.bin"), self.root)
        self.assertTrue(answer["verified"])
        self.assertEqual(len(answer["claims"]["measurement"]), 96)

    def test_forged(self):
        answer = cloister.verify_snp(read("other/report.bin"), read("good/table.bin"), self.root)
        self.assertFalse(answer["verified"])
        self.assertIn("snp.signature", [check["id"] for check in answer["checks"] if check["result"] == "fail"])

    def test_root_of_amd(self):
        self.assertFalse(cloister.verify_snp(read("good/report.bin"), read("good/table.bin"))["verified"])

    def test_not_a_report(self):
        with self.assertRaises(cloister.Error) as caught:
            cloister.verify_snp(b"hello")
        self.assertEqual(caught.exception.code, "snp.format")
        self.assertIn("SNP report", str(caught.exception))


class Logs(unittest.TestCase):
    def test_events_and_replay(self):
        log = cloister.Eventlog(read("log"))
        self.assertGreater(len(log), 2)
        self.assertEqual(len(list(log)), len(log))
        self.assertEqual(log[0]["type"], "EV_NO_ACTION")
        self.assertFalse(log.is_ccel)
        wanted = {int(n): value for n, value in json.loads(read("replay.json"))["sha256"].items()}
        self.assertEqual({n: value for n, value in log.replay().items()}, wanted)

    def test_outside(self):
        log = cloister.Eventlog(read("log"))
        for index in (-1, len(log)):
            with self.assertRaises(IndexError):
                log[index]

    def test_not_a_log(self):
        with self.assertRaises(cloister.Error) as caught:
            cloister.Eventlog(b"no log")
        self.assertEqual(caught.exception.code, "tcg.format")

    def test_bank_that_is_not_there(self):
        with self.assertRaises(cloister.Error):
            cloister.Eventlog(read("log")).replay("sha512")


class Bundles(unittest.TestCase):
    def test_accepted(self):
        answer = cloister.appraise(bundle(read("good/report.bin")), read("good/policy.json"))
        self.assertEqual(answer["status"], "warning")
        self.assertFalse(answer["releases"])

    def test_of_another_machine(self):
        answer = cloister.appraise(bundle(read("other/report.bin")), read("good/policy.json"))
        self.assertEqual(answer["status"], "contraindicated")

    def test_nonce_that_nothing_shows(self):
        answer = cloister.appraise(bundle(read("good/report.bin")), read("good/policy.json"), nonce=b"bm9uY2U")
        self.assertEqual(answer["status"], "contraindicated")
        self.assertFalse(answer["releases"])

    def test_not_a_policy(self):
        with self.assertRaises(cloister.Error):
            cloister.appraise(bundle(read("good/report.bin")), b"{}")


class Package(unittest.TestCase):
    def test_version(self):
        self.assertRegex(cloister.version(), r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    unittest.main()
