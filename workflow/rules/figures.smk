"""Pictures and the page.

Needs the videos of generate.smk, the table of tables.smk and the lip-sync judge of metrics.smk. Gives
results/figures/samples.png, results/figures/sensitivity.png with results/<run>/sensitivity.csv (how each metric answers to
damage of known strength), and results/index.html, which plays the videos of the run that was asked for last.
"""

SHOWN = ("dawn", "commanded", "other_speech")
# Shown on the page where they were made, and not made for it: they would train other networks.
GATHERED = [
    path
    for pattern in ("claims.json", "table[2-8].csv", "figures/figure*.png", "sweeps/*.png")
    for path in sorted(Path("results").glob(pattern))
]


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
        code=code_digest("eval/figures.py"),
        real=P.clips,
        videos=[f"{method}={P.videos(method)}" for method in SHOWN],
    message:
        "sample frames of run {params.run}"
    shell:
        "python -m eval samples --clips {input.test} --real {params.real} --videos {params.videos}"
        " --out {output} 2> >(tee {log} >&2)"


rule sensitivity:
    input:
        test=P.test,
        digest=P.dataset.with_suffix(".json"),
        syncnet=PATHS[JUDGES[CONFIG.name]].run / "syncnet.safetensors",
    output:
        table=P.run / "sensitivity.csv",
        picture="results/figures/sensitivity.png",
    log:
        P.run / "logs/sensitivity.log",
    conda:
        "../../environment.yml"
    threads: CONFIG.evaluate.threads
    params:
        settings=settings(*MEASURING),
        code=code_digest("eval/perturb.py", "eval/sensitivity.py", *MEASURE_CODE),
        real=P.clips,
    message:
        "damage of known strength, measured, on true clips of run {CONFIG.name}"
    shell:
        "python -m eval sensitivity --config $DAWN_CONFIG --clips {input.test} --real {params.real}"
        " --syncnet {input.syncnet} --out {output.table} --picture {output.picture} 2> >(tee {log} >&2)"


rule page:
    input:
        test=P.test,
        videos=[P.videos_report(method) for method in SHOWN],
        table="results/table1.csv",
        picture="results/figures/samples.png",
    output:
        "results/index.html",
    log:
        P.run / "logs/page.log",
    conda:
        "../../environment.yml"
    params:
        run=CONFIG.name,
        code=code_digest("eval/page.py", "eval/tables.py", "eval/columns.py", "eval/claims.py"),
        more=GATHERED,
        content=[sha256_file(path) for path in GATHERED],
        real=P.clips,
        videos=[f"{method}={P.videos(method)}" for method in SHOWN],
    message:
        "page of run {params.run}"
    shell:
        "python -m eval page --config $DAWN_CONFIG --clips {input.test} --real {params.real} --videos {params.videos}"
        " --table {input.table} --picture {input.picture} --more {params.more} --out {output} 2> >(tee {log} >&2)"
