"""Measures.

Needs the true clips of features.smk and the videos of generate.smk and baselines.smk. Gives
results/<run>/syncnet.safetensors (the lip-sync judge), results/<run>/scores/<method>/ (one row a clip, pooled scores with
intervals, provenance), results/<run>/quality.json (did the networks learn) and, where it is asked for,
results/<run>/corpus.md (what the corpus is).
"""

MEASURING = ("evaluate", "features", "corpus.fps")
LEARNED = ("dawn", "other_speech", "still")


rule syncnet:
    input:
        dataset=at(lambda paths: paths.dataset),
        digest=at(lambda paths: paths.dataset.with_suffix(".json")),
    output:
        "results/{run}/syncnet.safetensors",
    log:
        "results/{run}/logs/syncnet.log",
    benchmark:
        "results/{run}/logs/syncnet.tsv"
    conda:
        "../../environment.yml"
    threads: lambda wildcards: RUNS.configs[wildcards.run].evaluate.syncnet.train.threads
    params:
        settings=settings("evaluate.syncnet", "seed"),
        code=code_fingerprint("eval.studies.train_syncnet"),
        features=at(lambda paths: paths.features),
        clips=at(lambda paths: paths.clips),
    message:
        "training the lip-sync judge of run {wildcards.run}"
    shell:
        "dawn-eval fit-syncnet --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml"
        " --dataset {input.dataset} --features {params.features}"
        " --clips {params.clips} --out {output} 2> >(tee {log} >&2)"


# Asked for by name.
rule corpus_report:
    input:
        dataset=at(lambda paths: paths.dataset),
        digest=at(lambda paths: paths.dataset.with_suffix(".json")),
        coverage=at(lambda paths: paths.coverage),
        rejected=at(lambda paths: paths.rejected),
        syncnet=judge,
    output:
        multiext("results/{run}/corpus", ".md", ".json", ".png"),
    log:
        "results/{run}/logs/corpus_report.log",
    conda:
        "../../environment.yml"
    params:
        code=code_fingerprint("eval.studies.corpus_report"),
        out=at(lambda paths: paths.run / "corpus.md"),
    message:
        "what the corpus of run {wildcards.run} is"
    shell:
        "dawn-eval corpus --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml --syncnet {input.syncnet}"
        " --out {params.out} 2> >(tee {log} >&2)"


rule measure:
    input:
        test="results/{run}/test.csv",
        digest=at(lambda paths: paths.dataset.with_suffix(".json")),
        syncnet=judge,
        videos=lambda wildcards: (
            [] if wildcards.method == "gt" else PATHS[wildcards.run].videos_report(wildcards.method)
        ),
        seen=truth,  # so that true videos are seen once, and found in the cache by every method
    output:
        "results/{run}/scores/{method}/scores.json",
        "results/{run}/scores/{method}/clips.csv",
    log:
        "results/{run}/logs/measure-{method}.log",
    benchmark:
        "results/{run}/logs/measure-{method}.tsv"
    wildcard_constraints:
        method="|".join(("gt", *generated_methods(), *BASELINES)),
    conda:
        "../../environment.yml"
    threads: lambda wildcards: RUNS.configs[wildcards.run].evaluate.threads
    params:
        settings=settings(*MEASURING),
        code=code_fingerprint("eval.studies.run_scores"),
        real=at(lambda paths: paths.clips),
        out=lambda wildcards: PATHS[wildcards.run].scores(wildcards.method),
        metrics=asked_of,
        against=lambda wildcards: (
            "" if wildcards.method == "gt" else f"--fake {videos_folder(PATHS[wildcards.run], wildcards.method)}"
        ),
    message:
        "measuring {wildcards.method} of run {wildcards.run}"
    shell:
        "dawn-eval score --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml"
        " --clips {input.test} --real {params.real} {params.against}"
        " --syncnet {input.syncnet} --method {wildcards.method} --metrics {params.metrics} --out {params.out}"
        " --cache results/cache 2> >(tee {log} >&2)"


rule quality:
    input:
        test="results/{run}/test.csv",
        digest=at(lambda paths: paths.dataset.with_suffix(".json")),
        reconstruction="results/{run}/reconstruction.json",
        commanded="results/{run}/generated/commanded.json",
        scores=at(lambda paths: [paths.scores(method) / "scores.json" for method in LEARNED]),
    output:
        "results/{run}/quality.json",
    log:
        "results/{run}/logs/quality.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("features"),
        code=code_fingerprint("eval.studies.learned"),
        truth=at(lambda paths: paths.features),
        videos=at(lambda paths: paths.videos("commanded")),
        scores=at(lambda paths: [f"{method}={paths.scores(method)}" for method in LEARNED]),
    message:
        "quality of run {wildcards.run}: did the networks learn"
    shell:
        "dawn-eval quality --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml"
        " --clips {input.test} --truth {params.truth}"
        " --commanded {params.videos} --reconstruction {input.reconstruction} --scores {params.scores}"
        " --out {output} 2> >(tee {log} >&2)"
