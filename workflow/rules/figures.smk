"""Figures and the HTML page.

Input: the videos of generate.smk, the table of tables.smk and the SyncNet of metrics.smk. Output:
results/figures/samples.png; figure2.png to figure6.png with their data as CSV; results/<run>/reenactment.json and .csv;
results/figures/sensitivity.png with results/<run>/sensitivity.csv (each metric on videos perturbed with known strength); and
results/index.html, with the videos of the run requested last.
"""

SHOWN = ("dawn", "commanded", "other_speech")
# The page shows these files if they exist. They are not inputs, because they would train further networks.
OPTIONAL = [
    path
    for pattern in ("claims.json", "table[2-8].csv", "figures/figure*.png", "sweeps/*.png")
    for path in sorted(Path("results").glob(pattern))
]
# Training checks of other runs, likewise.
OTHER_QUALITY = [path for path in sorted(Path("results").glob("*/quality.json")) if path.parent != P.run]


rule samples:
    input:
        test=P.test,
        videos=[P.videos_report(method) for method in SHOWN],
    output:
        "results/figures/samples.png",
    log:
        P.run / "logs/samples.log",
    conda:
        "../../environment.yml"
    params:
        run=CONFIG.name,
        code=code_fingerprint("eval.figures.frames"),
        real=P.clips,
        videos=[f"{method}={videos_folder(P, method)}" for method in SHOWN],
    message:
        "sample frames of run {params.run}"
    shell:
        "dawn-eval samples --clips {input.test} --real {params.real} --videos {params.videos}"
        " --out {output} 2> >(tee {log} >&2)"


rule sensitivity:
    input:
        test=P.test,
        fingerprint=P.dataset.with_suffix(".json"),
        syncnet=PATHS[SYNCNET_RUNS[CONFIG.name]].run / "syncnet.safetensors",
    output:
        table=P.run / "sensitivity.csv",
        picture="results/figures/sensitivity.png",
    log:
        P.run / "logs/sensitivity.log",
    conda:
        "../../environment.yml"
    threads: CONFIG.evaluate.threads
    params:
        settings=lambda wildcards: settings_fingerprint(RUNS.configs[run_of(wildcards)]),
        code=code_fingerprint("eval.studies.sensitivity", "eval.figures.sensitivity"),
        real=P.clips,
    message:
        "sensitivity of the metrics, on real clips of run {CONFIG.name}"
    shell:
        "dawn-eval sensitivity --config $DAWN_CONFIG --clips {input.test} --real {params.real}"
        " --syncnet {input.syncnet} --out {output.table} --picture {output.picture} 2> >(tee {log} >&2)"


rule page:
    input:
        test=P.test,
        videos=[P.videos_report(method) for method in SHOWN],
        table="results/table1.csv",
        picture="results/figures/samples.png",
        quality=P.run / "quality.json",
    output:
        "results/index.html",
    log:
        P.run / "logs/page.log",
    conda:
        "../../environment.yml"
    params:
        run=CONFIG.name,
        code=code_fingerprint("eval.report.page"),
        more=OPTIONAL,
        others=OTHER_QUALITY,
        content=[sha256_file(path) for path in (*OPTIONAL, *OTHER_QUALITY)],
        real=P.clips,
        videos=[f"{method}={videos_folder(P, method)}" for method in SHOWN],
    message:
        "page of run {params.run}"
    shell:
        "dawn-eval page --config $DAWN_CONFIG --clips {input.test} --real {params.real} --videos {params.videos}"
        " --table {input.table} --picture {input.picture} --quality {input.quality} {params.others}"
        " --more {params.more} --out {output} 2> >(tee {log} >&2)"


rule figure2:
    input:
        test=P.test,
        videos=[P.videos_report(method) for method in (*BASELINES, "dawn")],
    output:
        picture="results/figures/figure2.png",
        data="results/figures/figure2.csv",
    log:
        P.run / "logs/figure2.log",
    conda:
        "../../environment.yml"
    params:
        run=CONFIG.name,
        code=code_fingerprint("eval.figures.frames"),
        real=P.clips,
        videos=[f"{method}={videos_folder(P, method)}" for method in (*BASELINES, "dawn")],
    message:
        "Figure 2, methods over time, of run {params.run}"
    shell:
        "dawn-eval samples --clips {input.test} --real {params.real} --videos {params.videos} --count 2"
        " --caption 'Run {params.run}: ' --out {output.picture} 2> >(tee {log} >&2)"


rule reenactment:
    input:
        test="results/{run}/test.csv",
        videos="results/{run}/generated/reenact.json",
    output:
        report="results/{run}/reenactment.json",
        traces="results/{run}/reenactment.csv",
    log:
        "results/{run}/logs/reenactment.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("features", "evaluate.bootstrap", "evaluate.interval", "evaluate.seed"),
        code=code_fingerprint("eval.studies.reenactment"),
        videos=path_of(lambda paths: paths.videos("reenact")),
    message:
        "reenactment of run {wildcards.run}"
    shell:
        "dawn-eval reenactment --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml --clips {input.test}"
        " --videos {params.videos} --out {output.report} 2> >(tee {log} >&2)"


rule figure4:
    input:
        report=P.run / "reenactment.json",
        traces=P.run / "reenactment.csv",
    output:
        picture="results/figures/figure4.png",
        data="results/figures/figure4.csv",
    log:
        P.run / "logs/figure4.log",
    conda:
        "../../environment.yml"
    params:
        code=code_fingerprint("eval.figures.frames"),
        real=P.clips,
        videos=P.videos("reenact"),
    message:
        "Figure 4, reenactment, of run {CONFIG.name}"
    shell:
        "dawn-eval reenacted --report {input.report} --real {params.real} --videos {params.videos}"
        " --out {output.picture} 2> >(tee {log} >&2)"


# The run with the highest resolution (Table 7).
LARGEST = max(
    (row.run for row in EXPERIMENTS.comparisons.get("table7", [])),
    key=lambda run: RUNS.configs[run].corpus.resolution,
    default=CONFIG.name,
)


rule figure3:
    input:
        test=PATHS[LARGEST].test,
        videos=[PATHS[LARGEST].videos_report(method) for method in ("styled", "dawn")],
    output:
        picture="results/figures/figure3.png",
        data="results/figures/figure3.csv",
    log:
        P.run / "logs/figure3.log",
    conda:
        "../../environment.yml"
    params:
        run=LARGEST,
        code=code_fingerprint("eval.figures.frames"),
        videos=PATHS[LARGEST].videos("styled"),
        plain=PATHS[LARGEST].videos("dawn"),
    message:
        "Figure 3, restyled portraits, of run {params.run}"
    shell:
        "dawn-eval styles --clips {input.test} --videos {params.videos} --plain {params.plain}"
        " --out {output.picture} 2> >(tee {log} >&2)"


rule figure5:
    input:
        timing=P.run / "timing.json",
    output:
        picture="results/figures/figure5.png",
        data="results/figures/figure5.csv",
    log:
        P.run / "logs/figure5.log",
    conda:
        "../../environment.yml"
    params:
        code=code_fingerprint("eval.figures.time_cost"),
    message:
        "Figure 5, time per strategy, of run {CONFIG.name}"
    shell:
        "dawn-eval time-cost --timing {input.timing} --out {output.picture} 2> >(tee {log} >&2)"


WITHOUT_PBNET = [row for row in EXPERIMENTS.comparisons.get("table4", []) if row.changes.get("a2v.pose_blink") is False]


rule figure6:
    input:
        test=P.test,
        videos=[
            P.videos_report("dawn"),
            *(PATHS[row.run].videos_report("dawn") for row in WITHOUT_PBNET),
        ],
    output:
        picture="results/figures/figure6.png",
        data="results/figures/figure6.csv",
    log:
        P.run / "logs/figure6.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("features", "evaluate.bootstrap", "evaluate.interval", "evaluate.seed"),
        code=code_fingerprint("eval.studies.motion_traces", "eval.figures.traces"),
        real=P.clips,
        videos=[
            f"dawn={P.videos('dawn')}",
            *(f"no_pbnet={PATHS[row.run].videos('dawn')}" for row in WITHOUT_PBNET),
        ],
    message:
        "Figure 6, with and without PBNet, of run {CONFIG.name}"
    shell:
        "dawn-eval traces --config $DAWN_CONFIG --clips {input.test} --real {params.real} --videos {params.videos}"
        " --out {output.picture} 2> >(tee {log} >&2)"
