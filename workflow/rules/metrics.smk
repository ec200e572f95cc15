"""Scores.

Input: the real clips of features.smk and the videos of generate.smk and baselines.smk. Output:
results/<run>/syncnet.safetensors, results/<run>/scores/<method>/ (values per clip, scores with intervals, provenance),
results/<run>/quality.json (training checks) and, on request, results/<run>/corpus.md (corpus statistics).
"""

QUALITY_METHODS = ("dawn", "other_speech", "still")


rule syncnet:
    input:
        dataset=path_of(lambda paths: paths.dataset),
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        store=path_of(packed),
        starts=starts,
    output:
        "results/{run}/syncnet.safetensors",
    log:
        "results/{run}/logs/syncnet.log",
    benchmark:
        "results/{run}/logs/syncnet.tsv"
    conda:
        "../../environment.yml"
    threads: lambda wildcards: cores_of(RUNS.configs[wildcards.run], training_schedule(wildcards))
    resources:
        gpu=lambda wildcards: gpus_of(training_schedule(wildcards)),
        mem_mb=lambda wildcards: 24000 * gpus_of(training_schedule(wildcards)),
    params:
        settings=lambda wildcards: fingerprint(syncnet_settings_of(RUNS.configs[wildcards.run])),
        code=code_fingerprint("eval.studies.train_syncnet"),
    message:
        "training SyncNet of run {wildcards.run}"
    shell:
        "dawn-eval fit-syncnet --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml --out {output} 2> >(tee {log} >&2)"


# Not part of `all`.
rule corpus_report:
    input:
        dataset=path_of(lambda paths: paths.dataset),
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        coverage=path_of(lambda paths: paths.coverage),
        rejected=path_of(lambda paths: paths.rejected),
    output:
        multiext("results/{run}/corpus", ".md", ".json", ".png"),
    log:
        "results/{run}/logs/corpus_report.log",
    conda:
        "../../environment.yml"
    params:
        code=code_fingerprint("eval.studies.corpus_report"),
        out=path_of(lambda paths: paths.run / "corpus.md"),
        syncnet=trained_syncnet,
    message:
        "statistics of the corpus of run {wildcards.run}"
    shell:
        "dawn-eval corpus --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml {params.syncnet}"
        " --out {params.out} 2> >(tee {log} >&2)"


rule extract:
    input:
        test="results/{run}/test.csv",
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        syncnet=syncnet,
        videos=measured_videos,
    output:
        "results/{run}/scores/{method}/features/{shard}.json",
    log:
        "results/{run}/logs/extract-{method}-{shard}.log",
    wildcard_constraints:
        method="|".join(("gt", *generated_methods(), *BASELINES)),
    conda:
        "../../environment.yml"
    threads: lambda wildcards: RUNS.configs[wildcards.run].evaluate.threads
    resources:
        gpu=lambda wildcards: int(RUNS.configs[wildcards.run].evaluate.device != "cpu"),
    params:
        settings=lambda wildcards: settings_fingerprint(RUNS.configs[run_of(wildcards)]),
        shards=settings("evaluate.shards"),
        code=code_fingerprint("eval.studies.run_scores"),
        metrics=metrics_of,
        folder=lambda wildcards: (
            PATHS[wildcards.run].clips
            if wildcards.method == "gt"
            else videos_folder(PATHS[wildcards.run], wildcards.method)
        ),
    message:
        "features of the videos {wildcards.method} of run {wildcards.run}, shard {wildcards.shard}"
    shell:
        "dawn-eval extract --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml --clips {input.test} --videos {params.folder}"
        " --syncnet {input.syncnet} --metrics {params.metrics} --shard {wildcards.shard} --out {output}"
        " --cache results/cache 2> >(tee {log} >&2)"


rule score:
    input:
        test="results/{run}/test.csv",
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        syncnet=syncnet,
        videos=measured_videos,
        features=lambda wildcards: [
            PATHS[wildcards.run].scores(wildcards.method) / f"features/{shard}.json"
            for shard in evaluation_shards(wildcards.run)
        ],
        real=real_scores,  # first, so that the features of real videos are computed once and then read from the cache
    output:
        "results/{run}/scores/{method}/scores.json",
        "results/{run}/scores/{method}/clips.csv",
    log:
        "results/{run}/logs/score-{method}.log",
    benchmark:
        "results/{run}/logs/score-{method}.tsv"
    wildcard_constraints:
        method="|".join(("gt", *generated_methods(), *BASELINES)),
    conda:
        "../../environment.yml"
    threads: lambda wildcards: RUNS.configs[wildcards.run].evaluate.threads
    resources:
        gpu=lambda wildcards: int(
            RUNS.configs[wildcards.run].evaluate.device != "cpu" and not evaluation_shards(wildcards.run)
        ),
    params:
        settings=lambda wildcards: settings_fingerprint(RUNS.configs[run_of(wildcards)]),
        code=lambda wildcards: code_fingerprint(
            "eval.studies.run_scores",
            plugins={"eval.metrics": modules_of(RUNS.configs[wildcards.run].evaluate.scored)},
        ),
        real=path_of(lambda paths: paths.clips),
        out=lambda wildcards: PATHS[wildcards.run].scores(wildcards.method),
        metrics=metrics_of,
        against=lambda wildcards: (
            "" if wildcards.method == "gt" else f"--fake {videos_folder(PATHS[wildcards.run], wildcards.method)}"
        ),
    message:
        "scores of {wildcards.method} of run {wildcards.run}"
    shell:
        "dawn-eval score --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml"
        " --clips {input.test} --real {params.real} {params.against}"
        " --syncnet {input.syncnet} --method {wildcards.method} --metrics {params.metrics} --out {params.out}"
        " --cache results/cache 2> >(tee {log} >&2)"


rule quality:
    input:
        test="results/{run}/test.csv",
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        reconstruction="results/{run}/reconstruction.json",
        videos="results/{run}/generated/dawn.json",
        commanded="results/{run}/generated/commanded.json",
        head_motion="results/{run}/head_motion.safetensors",
        scores=path_of(lambda paths: [paths.scores(method) / "scores.json" for method in QUALITY_METHODS]),
    output:
        "results/{run}/quality.json",
    log:
        "results/{run}/logs/quality.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("features", "corpus.fps", "corpus.sample_rate"),
        code=code_fingerprint("eval.studies.learned"),
        truth=path_of(lambda paths: paths.features),
        videos=path_of(lambda paths: paths.videos("dawn")),
        commanded=path_of(lambda paths: paths.videos("commanded")),
        scores=path_of(lambda paths: [f"{method}={paths.scores(method)}" for method in QUALITY_METHODS]),
    message:
        "training checks of run {wildcards.run}"
    shell:
        "dawn-eval quality --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml"
        " --clips {input.test} --truth {params.truth}"
        " --videos {params.videos} --commanded {params.commanded} --head-motion {input.head_motion}"
        " --reconstruction {input.reconstruction} --scores {params.scores}"
        " --out {output} 2> >(tee {log} >&2)"
