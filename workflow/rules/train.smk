"""The four networks.

Needs the dataset of features.smk. Gives results/<run>/<stage>/weights.safetensors, with checkpoints, a log in JSON lines
and TensorBoard events beside it. A killed stage continues from its newest checkpoint.
"""


rule train:
    input:
        dataset=P.dataset,
        digest=P.dataset.with_suffix(".json"),
        needs=lambda wildcards: [P.weights(need) for need in NEEDS[wildcards.stage]],
    output:
        P.run / "{stage}/weights.safetensors",
    log:
        P.run / "logs/train-{stage}.log",
    benchmark:
        P.run / "logs/train-{stage}.tsv"
    wildcard_constraints:
        stage="|".join(STAGES),
    # The networks are the longest way: whatever else is ready waits for a free core.
    priority: 10
    conda:
        "../../environment.yml"
    threads: lambda wildcards: cores_of(schedule_of(CONFIG, wildcards.stage))
    params:
        settings=lambda wildcards: digest(settings_of(CONFIG, wildcards.stage)),
        code=lambda wildcards: code_digest(*CODE[wildcards.stage]),
    message:
        "training {wildcards.stage} of run {CONFIG.name}"
    shell:
        "dawn train {wildcards.stage} --config $DAWN_CONFIG 2> >(tee {log} >&2)"
