"""Measures.

Needs the true clips of features.smk and the videos of generate.smk and baselines.smk. Gives
results/<run>/syncnet.safetensors (the lip-sync judge), results/<run>/scores/<method>/ (one row a clip, pooled scores with
intervals, provenance) and results/<run>/quality.json (did the networks learn).
"""

MEASURING = ("evaluate", "features", "corpus.fps")


rule syncnet:
    input:
        dataset=P.dataset,
        digest=P.dataset.with_suffix(".json"),
    output:
        P.run / "syncnet.safetensors",
    log:
        P.run / "logs/syncnet.log",
    benchmark:
        P.run / "logs/syncnet.tsv"
    conda:
        "../../environment.yml"
    threads: CONFIG.evaluate.syncnet.train.threads
    params:
        settings=settings("evaluate.syncnet", "seed"),
        code=code_digest("eval/fit_syncnet.py", "eval/backbones/syncnet.py", "eval/mouth.py", "eval/lse.py"),
        features=P.features,
        clips=P.clips,
    message:
        "training the lip-sync judge of run {CONFIG.name}"
    shell:
        "python -m eval fit-syncnet --config $DAWN_CONFIG --dataset {input.dataset} --features {params.features}"
        " --clips {params.clips} --out {output} 2> >(tee {log} >&2)"


rule measure:
    input:
        test=P.test,
        digest=P.dataset.with_suffix(".json"),
        syncnet=P.run / "syncnet.safetensors",
        videos=lambda wildcards: [] if wildcards.method == "gt" else P.videos_report(wildcards.method),
        reference=lambda wildcards: [] if wildcards.method == "gt" else P.scores("gt") / "scores.json",
    output:
        P.run / "scores/{method}/scores.json",
        P.run / "scores/{method}/clips.csv",
    log:
        P.run / "logs/measure-{method}.log",
    benchmark:
        P.run / "logs/measure-{method}.tsv"
    wildcard_constraints:
        method="|".join(MEASURED),
    conda:
        "../../environment.yml"
    threads: CONFIG.evaluate.threads
    params:
        settings=settings(*MEASURING),
        code=code_digest(*MEASURE_CODE),
        real=P.clips,
        out=lambda wildcards: P.scores(wildcards.method),
        against=lambda wildcards: (
            "" if wildcards.method == "gt" else f"--fake {P.videos(wildcards.method)} --reference {P.scores('gt')}"
        ),
    message:
        "measuring {wildcards.method} of run {CONFIG.name}"
    shell:
        "python -m eval measure --config $DAWN_CONFIG --clips {input.test} --real {params.real} {params.against}"
        " --syncnet {input.syncnet} --method {wildcards.method} --out {params.out} 2> >(tee {log} >&2)"


rule quality:
    input:
        test=P.test,
        digest=P.dataset.with_suffix(".json"),
        reconstruction=P.run / "reconstruction.json",
        commanded=P.videos_report("commanded"),
        scores=[P.scores(method) / "scores.json" for method in ("dawn", "other_speech", "still")],
    output:
        P.run / "quality.json",
    log:
        P.run / "logs/quality.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("features"),
        code=code_digest("eval/quality.py", *FEATURE_CODE),
        truth=P.features,
        videos=P.videos("commanded"),
        scores=[f"{method}={P.scores(method)}" for method in ("dawn", "other_speech", "still")],
    message:
        "quality of run {CONFIG.name}: did the networks learn"
    shell:
        "python -m eval quality --config $DAWN_CONFIG --clips {input.test} --truth {params.truth}"
        " --commanded {params.videos} --reconstruction {input.reconstruction} --scores {params.scores}"
        " --out {output} 2> >(tee {log} >&2)"
