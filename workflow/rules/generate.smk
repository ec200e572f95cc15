"""Test videos, the reconstruction ceiling, and head motion of several seeds.

Input: the networks of train.smk and the dataset. Output: results/<run>/test.csv (the test clips),
results/<run>/videos/<clip>.mp4 and results/<run>/controls/<method>/<clip>.mp4 with one report per method,
results/<run>/reconstruction.json, results/<run>/head_motion.safetensors and, on request, results/<run>/timing.json (seconds
per strategy).
"""


rule testset:
    input:
        dataset=path_of(lambda paths: paths.dataset),
    output:
        "results/{run}/test.csv",
    log:
        "results/{run}/logs/testset.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("evaluate.max_clips"),
        code=code_fingerprint("dawn.generation.clip_selection"),
    message:
        "test clips of run {wildcards.run}"
    shell:
        "dawn testset --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml 2> >(tee {log} >&2)"


rule videos_shard:
    input:
        test="results/{run}/test.csv",
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        weights=weights_of_method,
    output:
        "results/{run}/generated/{method}/{shard}.json",
    log:
        "results/{run}/logs/videos-{method}-{shard}.log",
    wildcard_constraints:
        method="|".join(generated_methods()),
    conda:
        "../../environment.yml"
    threads: lambda wildcards: RUNS.configs[wildcards.run].generate.threads
    resources:
        gpu=lambda wildcards: int(get_method(wildcards.method).strategy is not None),
    params:
        settings=settings("generate", "seed", "evaluate.inference_frames", "evaluate.shards"),
        code=videos_code,
    message:
        "test videos of run {wildcards.run}: {wildcards.method}, shard {wildcards.shard}"
    shell:
        "dawn videos {wildcards.method} --shard {wildcards.shard} --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml"
        " 2> >(tee {log} >&2)"


rule videos:
    input:
        test="results/{run}/test.csv",
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        weights=weights_of_method,
        shards=lambda wildcards: [
            PATHS[wildcards.run].videos_shard(wildcards.method, shard) for shard in evaluation_shards(wildcards.run)
        ],
    output:
        "results/{run}/generated/{method}.json",
    log:
        "results/{run}/logs/videos-{method}.log",
    benchmark:
        "results/{run}/logs/videos-{method}.tsv"
    wildcard_constraints:
        method="|".join(generated_methods()),
    conda:
        "../../environment.yml"
    threads: lambda wildcards: RUNS.configs[wildcards.run].generate.threads
    resources:
        gpu=lambda wildcards: int(
            get_method(wildcards.method).strategy is not None and not evaluation_shards(wildcards.run)
        ),
    params:
        settings=settings("generate", "seed", "evaluate.inference_frames"),
        code=videos_code,
        gather=lambda wildcards: "--gather" if evaluation_shards(wildcards.run) else "",
    message:
        "test videos of run {wildcards.run}: {wildcards.method}"
    shell:
        "dawn videos {wildcards.method} {params.gather} --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml"
        " 2> >(tee {log} >&2)"


rule timing:
    input:
        test="results/{run}/test.csv",
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        weights=lambda wildcards: [
            PATHS[wildcards.run].weights(stage) for stage in networks_of_method(RUNS.configs[wildcards.run], "ttr")
        ],
    output:
        "results/{run}/timing.json",
    log:
        "results/{run}/logs/timing.log",
    conda:
        "../../environment.yml"
    # All cores, so that no other job disturbs the timing; on a cluster, which has no number of cores, those of the key.
    threads: workflow.resource_settings.cores or CONFIG.generate.threads
    resources:
        gpu=1,
    params:
        settings=settings("generate", "seed", "compare.time_frames", "compare.time_repetitions", "compare.time_clips"),
        code=code_fingerprint("dawn.generation.timing"),
    message:
        "timing of all strategies of run {wildcards.run}"
    shell:
        "dawn time-strategies --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml 2> >(tee {log} >&2)"


rule reconstruct:
    input:
        test="results/{run}/test.csv",
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        weights="results/{run}/lfg/weights.safetensors",
    output:
        "results/{run}/reconstruction.json",
    log:
        "results/{run}/logs/reconstruct.log",
    conda:
        "../../environment.yml"
    threads: lambda wildcards: RUNS.configs[wildcards.run].generate.threads
    resources:
        gpu=1,
    params:
        settings=settings("evaluate.inference_frames"),
        code=code_fingerprint("dawn.generation.reconstruct"),
    message:
        "reconstruction by the latent flow generator of run {wildcards.run}"
    shell:
        "dawn reconstruct --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml 2> >(tee {log} >&2)"


rule head_motion:
    input:
        test="results/{run}/test.csv",
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        weights=lambda wildcards: [
            PATHS[wildcards.run].weights(stage) for stage in networks_of_method(RUNS.configs[wildcards.run], "dawn")
        ],
    output:
        "results/{run}/head_motion.safetensors",
    log:
        "results/{run}/logs/head_motion.log",
    conda:
        "../../environment.yml"
    threads: lambda wildcards: RUNS.configs[wildcards.run].generate.threads
    resources:
        gpu=1,
    params:
        settings=settings("generate", "seed"),
        code=code_fingerprint("dawn.generation.head_motion"),
    message:
        "head motion of several seeds of run {wildcards.run}"
    shell:
        "dawn head-motion --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml 2> >(tee {log} >&2)"
