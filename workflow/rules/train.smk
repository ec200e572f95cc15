"""Training of the networks.

Input: the dataset of features.smk. Output: results/<run>/<stage>/weights.safetensors, with checkpoints, a log in JSON lines
and TensorBoard events in the same folder. A killed stage resumes from its newest checkpoint. A stage that is the same in several
runs is trained by the first of them; the others get a copy of its weights.
"""


rule train:
    input:
        dataset=path_of(lambda paths: paths.dataset),
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        store=path_of(packed),
        needs=lambda wildcards: [
            PATHS[wildcards.run].weights(need) for need in needs_of(RUNS.configs[wildcards.run], wildcards.stage)
        ],
        starts=starts,
    output:
        "results/{run}/{stage}/weights.safetensors",
    log:
        "results/{run}/logs/train-{stage}.log",
    benchmark:
        "results/{run}/logs/train-{stage}.tsv"
    wildcard_constraints:
        run=runs_with_stage(trained=True),
        stage="|".join(STAGES),
    # Training is the critical path: it has priority over all other jobs that are ready.
    priority: 10
    conda:
        "../../environment.yml"
    threads: lambda wildcards: cores_of(RUNS.configs[wildcards.run], training_schedule(wildcards))
    # What a cluster, or --resources gpu=N on one machine, gives to a training. With processes: auto it takes the GPUs that
    # --set-resources train:gpu=N assigns.
    resources:
        gpu=lambda wildcards: gpus_of(training_schedule(wildcards)),
        mem_mb=lambda wildcards: 24000 * gpus_of(training_schedule(wildcards)),
    params:
        settings=lambda wildcards: fingerprint(settings_of(RUNS.configs[wildcards.run], wildcards.stage)),
        code=lambda wildcards: code_of(wildcards.stage),
    message:
        "training {wildcards.stage} of run {wildcards.run}"
    shell:
        "dawn train {wildcards.stage} --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml 2> >(tee {log} >&2)"


rule copy_weights:
    input:
        lambda wildcards: PATHS[OWNERS[wildcards.run, wildcards.stage]].weights(wildcards.stage),
    output:
        "results/{run}/{stage}/weights.safetensors",
    log:
        "results/{run}/logs/copy-{stage}.log",
    wildcard_constraints:
        run=runs_with_stage(trained=False),
        stage="|".join(STAGES),
    conda:
        "../../environment.yml"
    message:
        "copying {wildcards.stage} of run {wildcards.run} from {input}"
    # Not a hard link: Snakemake updates the modification time of outputs, here also that of the trained weights, and would
    # retrain every stage that depends on them.
    shell:
        "{{ cp --reflink=auto {input} {output} || cp {input} {output}; }} 2> {log}"
