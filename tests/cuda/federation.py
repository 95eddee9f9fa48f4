"""Real daemons with trainers on one card: a masked sandbox, and a job that is too large for the card."""

import importlib
import json
import os
import pathlib
import shutil
import sys

from checks import COMPARED, WIDE
from steps import StepFailed

SITES = 3  # masks of two sites hide nothing, because each could subtract its own part; so a masked job of two is refused


def masked_sandbox(bench, programs, environment):
    """Runs `consilium sandbox` with a masked job, whose trainers share the card."""
    folder = bench.work / "sandbox"
    shutil.rmtree(folder, ignore_errors=True)
    job = bench.work / "masked.yaml"
    job.write_text(json.dumps({
        "name": "masked", "model": COMPARED["fedavg_cnn"], "data": {"dataset": "stripes", "normalize": {"mean": 0.5, "std": 0.5}},
        "training": {"local_epochs": 2, "batch_size": 16, "optimizer": {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9}},
        "federation": {"rounds": 3}, "strategy": {"name": "fedavg"}, "privacy": {"secure_aggregation": "required", "clip": 16},
        "evaluation": {"every": 1, "split": "test"}, "seed": 7}))
    data = bench.stripes("sandbox", 64 * SITES)
    code, output = bench.steps.command("sandbox", [programs / "consilium", "sandbox", job, "--data", data, "--sites", SITES, "--per-site", 64, "--workers", SITES,
                                                   "--device", bench.device, "--keep", folder, "--json"], seconds=180, check=False, env=environment)
    for log in sorted(folder.glob("sites/*/log")) + sorted(folder.glob("coordinator/log")):
        bench.steps.note("sandbox", f"--- {log.relative_to(folder)}\n{log.read_text(errors='replace')}")
    if code not in (0, 7):  # 7: no better than alone, which doesn't matter for the card
        last = (output.strip().splitlines() or [""])[-1]
        raise StepFailed(f"consilium sandbox exited with {code}: {last[:300]} (see sandbox.log)")
    confined = not any("sandbox: optional" in policy.read_text() for policy in folder.glob("sites/*/policy.yaml"))
    on_card = sum("TF32 is off" in log.read_text(errors="replace") for log in folder.glob("sites/*/log"))
    if on_card < SITES and bench.device != "cpu":
        raise StepFailed(f"{on_card} of {SITES} trainers said that they compute on {bench.device} (see sandbox.log)")
    if not confined:
        raise StepFailed("the job finished, but this kernel can't confine trainers: the policies say 'sandbox: optional'")
    return f"{SITES} confined trainers on {bench.device}, 3 masked rounds, exit code {code}"


def simulator_finds_card(bench, programs, environment):
    """Runs `consilium simulate` without --device. Its confined trainers must find the card by themselves."""
    out = bench.work / "simulated"
    shutil.rmtree(out, ignore_errors=True)
    job = bench.job("simulated", COMPARED["fedavg_cnn"])
    device = ["--device", "cpu"] if bench.device == "cpu" else []
    bench.steps.command("simulate", [programs / "consilium", "simulate", job, "--data", bench.stripes("sandbox", 64 * SITES), "--sites", SITES,
                                     "--out", out, *device], seconds=180, env=environment)
    trainer = json.loads((out / "report.json").read_text())["versions"]["trainer"]
    wanted = f"on {bench.device.partition(':')[0]}"
    if wanted not in trainer:
        raise StepFailed(f"expected trainers {wanted}, found '{trainer}': the card isn't used")
    return trainer


def daemons_go_on(bench, programs, environment):
    """Checks that a job too large for the card fails with a reason that names memory, and that the same daemons then complete a small one."""
    before = dict(os.environ)
    os.environ.update(environment, CONSILIUM_BIN_DIR=str(programs), CONSILIUM_QUIET="1")
    try:
        return run_both_jobs(bench)
    finally:
        os.environ.clear()
        os.environ.update(before)


def run_both_jobs(bench):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
    consortium = importlib.import_module("consortium")
    wide, small = bench.noise("wide", 1024, [1, 224, 224]), bench.stripes("stripes", 128)
    sites = ["north", "south"]
    policy = consortium.POLICY.replace("[chest]", "[chest, wide]")
    with consortium.Consortium(sites) as group:
        group.start_coordinator()
        for site in sites:
            group.start_site(site, {"chest": small, "wide": wide}, policy=policy, trainer={"device": bench.device})
        group.wait_connected()
        federation = {"rounds": 1, "minimum_sites": 1}
        large = group.wait_ended(group.submit({**consortium.job(data={"dataset": "wide"}, training={"batch_size": 1024}, federation=federation), "model": WIDE}), seconds=200)
        said = " ".join(group.daemons[site].log for site in sites)
        bench.steps.note("sandbox", f"--- daemons, after the large job ({large['phase']}: {large['detail']})\n{said}")
        if large["phase"] == "finished" or "out of memory" not in said + str(large):
            raise StepFailed(f"expected the large job to fail for lack of memory, found it {large['phase']}: {large['detail']}"[:400])
        pids = [group.daemons[site].process.poll() for site in sites]
        if any(code is not None for code in pids):
            raise StepFailed("a daemon ended with the job that was too large")
        after = group.wait_ended(group.submit({**consortium.job(federation=federation), "model": COMPARED["fedavg_cnn"]}), seconds=200)
        if after["phase"] != "finished":
            raise StepFailed(f"the job after it: {after['phase']}: {after['detail']}")
    return f"the large job: {large['phase']}, {large['detail'][:120]}; the small one after it: finished"
