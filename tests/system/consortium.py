"""A whole consortium on this machine: real keys, real daemons, real TLS, each in a folder of its own.

The system tests and benchmarks/federation use it. Needs only Python's standard library.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BIN = pathlib.Path(os.environ.get("CONSILIUM_BIN_DIR", pathlib.Path(__file__).resolve().parents[2] / "build/release/bin"))

POLICY = """\
datasets: [chest]
tasks: [classification]
strategies: [fedavg, fedprox]
max_rounds: 1000
max_local_epochs: 1000
minimum_cohort: 1
allow_unmasked: true
"""


def run(*arguments, check=True, **options):
    """Runs a program of build/<preset>/bin to its end and returns the process, with its output as text."""
    command = [str(BIN / arguments[0]), *map(str, arguments[1:])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=options.pop("timeout", 120), **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def eventually(condition, what, seconds=30.0, every=0.02):
    """Waits until condition() is true and returns its value. Fails with `what` in the message otherwise."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(every)


def children_of(pid):
    """Returns the process ids of a process's children."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def trainers_of(pid):
    """Returns the process ids of a client's trainers: its children except the image decoders, of which each trainer has one."""
    return [child for child in children_of(pid) if name_of(child) != "consilium-decode"]


def name_of(pid):
    """Returns a process's name from the kernel, or "" once the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode().rsplit("/", 1)[-1]
    except OSError:
        return ""


def peak_rss_mib(pid):
    """Returns the peak resident memory of a living process, in MiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Daemon:
    """One of our daemons, whose log goes to a file."""

    def __init__(self, name, arguments, log, environment=None):
        self.name, self.log_file = name, log
        with open(log, "ab") as output:
            self.process = subprocess.Popen([str(BIN / arguments[0]), *map(str, arguments[1:])], stdout=output, stderr=output,
                                            stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_file.read_text(errors="replace")

    def wait_for_log(self, text, seconds=30.0):
        eventually(lambda: text in self.log or self.process.poll() is not None, f"'{text}' in the log of {self.name}:\n{self.log}", seconds)
        if text not in self.log:
            raise AssertionError(f"{self.name} exited with {self.process.returncode} before it said '{text}':\n{self.log}")

    def terminate(self, seconds=10.0):
        """Sends SIGTERM. Returns the exit code and the time until the exit."""
        start = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=seconds)
        return code, time.monotonic() - start

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=10)


class Consortium:
    """Use as a context manager. At its end it stops everything that was started, and removes the folder.

    With `populations` (of consortium.yaml) the roster has them, so that jobs on their data sets run in their mode. Without, the roster
    lists only members, and masked jobs run in mode masked-threshold.
    """

    def __init__(self, sites, name="lung-consortium", max_running_jobs=4, approving=True, populations=None, colluding=1):
        self.populations, self.colluding, self.serial = populations, colluding, 0
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="consilium-system-"))
        self.name, self.sites, self.daemons, self.max_running_jobs = name, list(sites), {}, max_running_jobs
        self.port = 0
        self.approving, self.closing = approving, threading.Event()

    def __enter__(self):
        self.provision()
        if self.approving:
            self.approver = threading.Thread(target=self.approve_all, daemon=True)
            self.approver.start()
        return self

    def __exit__(self, kind, error, trace):
        self.closing.set()
        for daemon in self.daemons.values():
            with contextlib.suppress(Exception):
                daemon.kill()
        if error is not None and not os.environ.get("CONSILIUM_QUIET"):
            for daemon in self.daemons.values():
                sys.stderr.write(f"--- {daemon.name}\n" + "\n".join(daemon.log.splitlines()[-30:]) + "\n")
        if not os.environ.get("CONSILIUM_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    # People at the hospitals.

    def approve_all(self):
        """Stands for a person at each site who approves every waiting job, until the consortium is closed."""
        while not self.closing.wait(0.05):
            for name in list(self.daemons):
                with contextlib.suppress(OSError, ValueError):
                    self.approve_waiting(name)

    def approve_waiting(self, name):
        for waiting in self.ask_site(name, "jobs").get("jobs", []):
            if waiting["state"] == "waits":
                self.ask_site(name, "approve", waiting["digest"], waiting["researcher"])

    def approve(self, name, job_id):
        """Shows a job at a site, and approves it by the command at the end of the output of `show`."""
        last = self.at_site(name, "show", job_id).stdout.rstrip().splitlines()[-1].split()
        assert last[:4] == ["to", "approve", "consilium-client", "approve"], last
        return self.at_site(name, *last[3:6])

    def ask_site(self, name, command, job="", researcher=""):
        """Sends a request to a site's daemon as `consilium-client` does, without a process for it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.folder / name / "state" / "control.sock"))
            connection.sendall(json.dumps({"command": command, "job": job, "researcher": researcher}).encode())
            connection.shutdown(socket.SHUT_WR)
            return json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))

    def at_site(self, name, command, *arguments, check=True):
        """Runs `consilium-client COMMAND` at a site."""
        return run("consilium-client", command, *arguments, "--config", self.folder / name / "client.yaml", check=check)

    # Keys and certificates.

    def provision(self):
        run("consilium", "ca", "init", self.folder / "ca", "--name", self.name)
        self.certify("coordinator", "coordinator", "--host", "127.0.0.1", "--host", "localhost")
        self.certify("researcher", "ada")
        for site in self.sites:
            self.certify("site", site)
        self.make_secrets()
        self.hand_out_rosters()

    @property
    def roster(self):
        """Returns the researcher's copy of the roster, for `consilium submit --roster`."""
        return self.folder / "ada" / "roster.yaml"

    def hand_out_rosters(self, *members):
        """Gives the sites (or the named ones) and the researcher the authority's current roster."""
        made = self.make_roster()
        for member in members or ["ada", *self.sites]:
            shutil.copy(made, self.folder / member / "roster.new")
            (self.folder / member / "roster.new").rename(self.folder / member / "roster.yaml")

    def make_roster(self, *consents):
        """Writes the authority's next roster into a file of its own, and returns it."""
        previous = [] if self.serial == 0 else ["--previous", self.folder / f"roster-{self.serial}.yaml"]
        self.serial += 1
        made = self.folder / f"roster-{self.serial}.yaml"
        described = []
        if self.populations is not None:
            file = self.folder / "consortium.yaml"
            file.write_text(json.dumps({"colluding": self.colluding, "populations": self.populations}))
            described = ["--consortium", file, *previous, *(word for consent in consents for word in ("--consent", consent))]
        run("consilium", "ca", "roster", "--ca", self.folder / "ca", "--out", made, *described)
        return made

    @property
    def secrets(self):
        """Returns a folder with the secret bytes of each site, as `simulate --site-secrets` expects it."""
        return self.folder / "secrets"

    def make_secrets(self):
        """Writes 32 bytes for each site. They follow from its name, so that two consortia of the same sites train alike."""
        self.secrets.mkdir()
        for site in self.sites:
            file = self.secrets / f"{site}.secret"
            file.touch(mode=0o600)
            file.write_bytes(hashlib.sha256(site.encode()).digest())

    def certify(self, role, name, *more, folder=None, authority=None, days=90):
        """Generates a key and has the authority certify it. Returns the folder with root.pem, key.pem and certificate.pem."""
        folder = folder or self.folder / name
        authority = authority or self.folder / "ca"
        if role == "site":
            run("consilium-client", "enroll", "--site", name, "--consortium", self.name, "--out", folder)
        else:
            run("consilium", "ca", "request", "--role", role, "--name", name, "--consortium", self.name, "--out", folder)
        request = next(folder.glob("*.csr"))
        if days <= 0:
            self.sign_expired(request, name, authority, folder / "certificate.pem")
        else:
            run("consilium", "ca", "sign", request, "--ca", authority, "--role", role, "--name", name, "--days", days,
                "--out", folder / "certificate.pem", *more)
        shutil.copy(authority / "root.pem", folder / "root.pem")
        shutil.copy(authority / "crl.pem", folder / "crl.pem")
        return folder

    def sign_expired(self, request, name, authority, certificate):
        """Signs a site's request with last year's dates."""
        self.sign_between(request, name, "20240101000000Z", "20240601000000Z", certificate, authority)

    def sign_for(self, role, name, seconds):
        """Gives a member a certificate that is valid for this many seconds. Returns its end, in seconds since 1970."""
        end = int(time.time()) + seconds
        folder = self.folder / name
        stamp = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(end))
        self.sign_between(next(folder.glob("*.csr")), name, "20240101000000Z", stamp, folder / "certificate.pem", role=role)
        return end

    def sign_between(self, request, name, start, end, certificate, authority=None, role="site"):
        """Signs a request with OpenSSL, for dates that our own command refuses or rounds to days."""
        authority = authority or self.folder / "ca"
        usage, hosts = ("serverAuth", ", IP:127.0.0.1, DNS:localhost") if role == "coordinator" else ("clientAuth", "")
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            (scratch / "index.txt").touch()
            (scratch / "ca.cnf").write_text(f"""
[ca]
default_ca = authority
[authority]
database = {scratch}/index.txt
new_certs_dir = {scratch}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = leaf
[any]
commonName = optional
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = {usage}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = URI:spiffe://{self.name}/{role}/{name}{hosts}
""")
            fresh = scratch / "fresh.pem"
            subprocess.run(["openssl", "ca", "-batch", "-config", scratch / "ca.cnf", "-cert", authority / "root.pem", "-keyfile", authority / "root.key",
                            "-in", request, "-out", fresh, "-notext", "-startdate", start, "-enddate", end, "-subj", f"/CN={name}"],
                           check=True, capture_output=True)
            shutil.copy(fresh, f"{certificate}.new")
            pathlib.Path(f"{certificate}.new").rename(certificate)

    def renew(self, role, name, *more):
        """Has the authority sign a member's request again, for 90 days, and replaces the old certificate."""
        folder = self.folder / name
        run("consilium", "ca", "sign", next(folder.glob("*.csr")), "--ca", self.folder / "ca", "--role", role, "--name", name, "--days", 90,
            "--out", folder / "certificate.new", *more)
        (folder / "certificate.new").rename(folder / "certificate.pem")

    def write_ended_list(self, number):
        """Writes with OpenSSL a revocation list of the authority that ended an hour ago, which our own command refuses to do. Returns its
        file."""
        authority, ended = self.folder / "ca", self.folder / "ended.pem"
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            (scratch / "index.txt").touch()
            (scratch / "number").write_text(f"{number:02X}\n")
            (scratch / "ca.cnf").write_text(f"""
[ca]
default_ca = authority
[authority]
database = {scratch}/index.txt
crlnumber = {scratch}/number
default_md = sha256
crl_extensions = list
[list]
authorityKeyIdentifier = keyid:always
""")
            hours_ago = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - hours * 3600)) for hours in (2, 1)]
            subprocess.run(["openssl", "ca", "-gencrl", "-config", scratch / "ca.cnf", "-cert", authority / "root.pem", "-keyfile", authority / "root.key",
                            "-crl_lastupdate", hours_ago[0], "-crl_nextupdate", hours_ago[1], "-out", ended], check=True, capture_output=True)
        return ended

    def tls(self, name, folder=None):
        folder = folder or self.folder / name
        key = next(folder.glob("*.key"))
        return {"root": str(folder / "root.pem"), "certificate": str(folder / "certificate.pem"), "key": str(key),
                "revocation_list": str(folder / "crl.pem")}

    # Daemons.

    @staticmethod
    def program(name):
        return BIN / name

    def start_coordinator(self, **changes):
        folder = self.folder / "coordinator"
        config = {"listen": f"127.0.0.1:{self.port}", "state_dir": str(folder / "state"), "tls": self.tls("coordinator"),
                  "max_running_jobs": self.max_running_jobs, **changes}
        file = folder / "coordinator.yaml"
        file.write_text(json.dumps(config, indent=1))
        (folder / "state" / "port").unlink(missing_ok=True)
        daemon = Daemon("coordinator", ["consilium-coordinator", "--config", file], folder / "log", {"MALLOC_ARENA_MAX": "2"})
        self.daemons["coordinator"] = daemon
        eventually(lambda: (folder / "state" / "port").exists() or daemon.process.poll() is not None, "the coordinator listens")
        if daemon.process.poll() is not None:
            raise AssertionError(f"the coordinator exited with {daemon.process.returncode}:\n{daemon.log}")
        self.port = int((folder / "state" / "port").read_text())
        return daemon

    def configure_site(self, name, data, policy=POLICY, trainer=None, tls=None, **changes):
        """Writes client.yaml and policy.yaml. An existing roster.yaml is the site's roster. `data` maps data set names to .npz files or to
        whole descriptions, `trainer` adds to the trainer's section."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        if policy is not None:
            (folder / "policy.yaml").write_text(policy)
        config = {"site": name, "coordinator": f"127.0.0.1:{self.port}", "tls": tls or self.tls(name),
                  "policy": str(folder / "policy.yaml"), "state_dir": str(folder / "state"),
                  "site_secret": str(self.secrets / f"{name}.secret"),
                  **({"roster": str(folder / "roster.yaml")} if (folder / "roster.yaml").exists() else {}),
                  "trainer": {"command": [str(BIN / "consilium-trainer")], "device": "cpu", "threads": 1, **(trainer or {})},
                  "datasets": {key: path if isinstance(path, dict) else {"type": "npz", "path": str(path)} for key, path in data.items()}, **changes}
        file = folder / "client.yaml"
        file.write_text(json.dumps(config, indent=1))
        return file

    def start_site(self, name, *arguments, environment=None, **options):
        file = self.configure_site(name, *arguments, **options)
        daemon = Daemon(name, ["consilium-client", "--config", file], self.folder / name / "log", {"MALLOC_ARENA_MAX": "2", **(environment or {})})
        self.daemons[name] = daemon
        return daemon

    def trainer_of(self, site):
        """Returns the process id of a site's trainer, once it exists."""
        return eventually(lambda: trainers_of(self.daemons[site].pid), f"{site} has a trainer")[0]

    # The researcher's command.

    def command(self, *arguments, researcher="ada", check=True, timeout=120):
        config = self.folder / researcher / "config.yaml"
        config.write_text(json.dumps({"coordinator": f"127.0.0.1:{self.port}", **self.tls(researcher)}))
        return run("consilium", *arguments, "--config", config, check=check, timeout=timeout)

    def query(self, *arguments, researcher="ada"):
        return json.loads(self.command(*arguments, "--json", researcher=researcher).stdout)

    def connected_sites(self):
        return sorted(site["name"] for site in self.query("sites") if site["connected"])

    def wait_connected(self, *sites):
        wanted = sorted(sites or self.sites)
        eventually(lambda: set(wanted) <= set(self.connected_sites()), f"sites {wanted} are connected", every=0.1)

    def submit(self, job, researcher="ada"):
        """Submits a job (YAML text or a dictionary), with the roster if it is masked, and returns its id."""
        file = self.folder / f"job-{time.monotonic_ns()}.yaml"
        file.write_text(job if isinstance(job, str) else json.dumps(job))
        roster = ["--roster", self.roster] if not isinstance(job, str) and is_masked(job) else []
        return json.loads(self.command("submit", file, *roster, "--json", researcher=researcher).stdout)["job_id"]

    def status(self, job_id):
        return next(job for job in self.query("jobs") if job["job_id"] == job_id)

    def wait_ended(self, job_id, seconds=120, researcher="ada"):
        """Watches the job until it ends and returns its last status, with the rounds as `history`."""
        watched = self.command("watch", job_id, "--json", researcher=researcher, check=False, timeout=seconds)
        events = [json.loads(line) for line in watched.stdout.splitlines()]
        if not events or events[-1]["event"] != "end":
            raise AssertionError(f"watch {job_id} exited with {watched.returncode}: {watched.stderr}")
        return {**events[-1], "history": [event for event in events if event["event"] == "round"]}

    def wait_phase(self, job_id, phase, round_number=None, seconds=60):
        def there():
            status = self.status(job_id)
            if status["phase"] in ("finished", "stopped", "failed") and status["phase"] != phase:
                raise AssertionError(f"the job ended before it was {phase}: {status['phase']}: {status['detail']}")
            return status if status["phase"] == phase and (round_number is None or status["round"] >= round_number) else None

        return eventually(there, f"job {job_id} is {phase}", seconds, every=0.02)

    def simulate(self, spec, *options, seconds=120):
        """Simulates the job that submit() sends, with the sites' own secret bytes and data. Returns the folder of its results."""
        data, file = self.folder / f"data-{time.monotonic_ns()}", self.folder / f"job-{time.monotonic_ns()}.yaml"
        data.mkdir()
        for site in self.sites:
            config = json.loads((self.folder / site / "client.yaml").read_text())
            description = config["datasets"][spec["data"]["dataset"]]
            if description["type"] == "npz":
                shutil.copy(description["path"], data / f"{site}.npz")
            else:
                (data / f"{site}.yaml").write_text(json.dumps(description))
        file.write_text(json.dumps(spec))
        out = self.folder / f"simulated-{time.monotonic_ns()}"
        run("consilium", "simulate", file, "--site-data", data, "--roster", self.roster, "--site-secrets", self.secrets, "--out", out, *options, timeout=seconds)
        return out

    def fetch(self, job_id):
        """Fetches a job's results and returns their folder."""
        out = self.folder / f"fetched-{time.monotonic_ns()}"
        self.command("fetch", job_id, "--out", out)
        return out


@contextlib.contextmanager
def halted(pid):
    """Stops a process temporarily: it keeps its connections and stays silent."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def population(examples=64, **terms):
    """Returns the section `populations` of a consortium.yaml, with one population over the data set of job()."""
    return {"chest": {"datasets": ["chest"], "examples": examples, **terms}}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_masked(spec):
    return spec.get("privacy", {}).get("secure_aggregation", "required") == "required"


def job(masked=False, **sections):
    """Returns a small job on the striped images. The given sections replace or extend the defaults."""
    spec = {
        "name": "stripes",
        "model": {"layers": [{"conv": {"channels": 4, "kernel": 3, "padding": 1}}, "relu", {"maxpool": 4}, "flatten", {"linear": 2}],
                  "input": [1, 28, 28], "classes": 2},
        "data": {"dataset": "chest", "normalize": {"mean": 0.5, "std": 0.5}},
        "training": {"local_epochs": 1, "batch_size": 16, "optimizer": {"name": "sgd", "learning_rate": 0.1}},
        "federation": {"rounds": 3} if masked else {"rounds": 3, "minimum_sites": 1},
        "strategy": {"name": "fedavg"},
        "privacy": {"secure_aggregation": "required" if masked else "off"},
        "evaluation": {"every": 1, "split": "test"},
        "seed": 7,
    }
    for section, value in sections.items():
        if isinstance(value, dict) and isinstance(spec.get(section), dict):
            spec[section] = {**spec[section], **value}
        else:
            spec[section] = value
    return spec
