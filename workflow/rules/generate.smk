"""Test videos and the reconstruction ceiling.

Needs the networks of train.smk and the dataset. Gives results/<run>/test.csv (the clips that are measured),
results/<run>/videos/<clip>.mp4 and results/<run>/controls/<method>/<clip>.mp4 with one report a method, and
results/<run>/reconstruction.json.
"""


rule testset:
    input:
        dataset=P.dataset,
    output:
        P.test,
    log:
        P.run / "logs/testset.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("evaluate.max_clips"),
        code=code_digest("dawn/generation/testset.py"),
    message:
        "test clips of run {CONFIG.name}"
    shell:
        "dawn testset --config $DAWN_CONFIG 2> >(tee {log} >&2)"


rule videos:
    input:
        test=P.test,
        digest=P.dataset.with_suffix(".json"),
        weights=lambda wildcards: (
            [] if wildcards.method == "still" else [P.weights(stage) for stage in ("lfg", "pbnet", "a2v_stage2")]
        ),
    output:
        P.run / "generated/{method}.json",
    log:
        P.run / "logs/videos-{method}.log",
    benchmark:
        P.run / "logs/videos-{method}.tsv"
    wildcard_constraints:
        method="|".join(METHODS),
    conda:
        "../../environment.yml"
    threads: CONFIG.generate.threads
    params:
        settings=settings("generate", "seed", "evaluate.inference_frames"),
        code=code_digest(*GENERATION_CODE),
    message:
        "test videos of run {CONFIG.name}: {wildcards.method}"
    shell:
        "dawn videos {wildcards.method} --config $DAWN_CONFIG 2> >(tee {log} >&2)"


rule reconstruct:
    input:
        test=P.test,
        digest=P.dataset.with_suffix(".json"),
        weights=P.weights("lfg"),
    output:
        P.run / "reconstruction.json",
    log:
        P.run / "logs/reconstruct.log",
    conda:
        "../../environment.yml"
    threads: CONFIG.generate.threads
    params:
        code=code_digest("dawn/generation/reconstruct.py", *LFG_CODE),
    message:
        "reconstruction by the latent flow generator of run {CONFIG.name}"
    shell:
        "dawn reconstruct --config $DAWN_CONFIG 2> >(tee {log} >&2)"
