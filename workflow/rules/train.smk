"""The four networks.

Needs the dataset of features.smk. Gives results/<run>/<stage>/weights.safetensors, with checkpoints, a log in JSON lines
and TensorBoard events beside it. A killed stage continues from its newest checkpoint. A stage that gives the same networks in
several runs is trained in the first of them; the others have a copy of its weights.
"""


rule train:
    input:
        dataset=at(lambda paths: paths.dataset),
        digest=at(lambda paths: paths.dataset.with_suffix(".json")),
        needs=lambda wildcards: [
            PATHS[wildcards.run].weights(need) for need in needs_of(RUNS.configs[wildcards.run], wildcards.stage)
        ],
        starts=lambda wildcards: starts_of(RUNS.configs[wildcards.run], wildcards.stage),
    output:
        "results/{run}/{stage}/weights.safetensors",
    log:
        "results/{run}/logs/train-{stage}.log",
    benchmark:
        "results/{run}/logs/train-{stage}.tsv"
    wildcard_constraints:
        run=stages_where(own=True),
        stage="|".join(STAGES),
    # The networks are the longest way: whatever else is ready waits for a free core.
    priority: 10
    conda:
        "../../environment.yml"
    threads: lambda wildcards: cores_of(schedule_of(RUNS.configs[wildcards.run], wildcards.stage))
    params:
        settings=lambda wildcards: fingerprint(settings_of(RUNS.configs[wildcards.run], wildcards.stage)),
        code=lambda wildcards: code_of(wildcards.stage),
    message:
        "training {wildcards.stage} of run {wildcards.run}"
    shell:
        "dawn train {wildcards.stage} --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml 2> >(tee {log} >&2)"


rule share:
    input:
        lambda wildcards: PATHS[OWNERS[wildcards.run, wildcards.stage]].weights(wildcards.stage),
    output:
        "results/{run}/{stage}/weights.safetensors",
    log:
        "results/{run}/logs/share-{stage}.log",
    wildcard_constraints:
        run=stages_where(own=False),
        stage="|".join(STAGES),
    conda:
        "../../environment.yml"
    message:
        "{wildcards.stage} of run {wildcards.run}: {input}"
    # No hard link: Snakemake renews the time of what a job made, which would be that of the trained weights too, and train
    # everything behind them again.
    shell:
        "{{ cp --reflink=auto {input} {output} || cp {input} {output}; }} 2> {log}"
