"""Baselines.

Needs the test clips of generate.smk and, below external/<name> ($DAWN_BASELINES/<name>), what docs/baselines.md asks for:
videos named by clip, or upstream's checkout and environment. Gives results/<run>/baselines/<name>/<clip>.mp4 and one report a
baseline. The workflow asks only for those that are there.
"""


rule baseline:
    input:
        test=P.test,
        digest=P.dataset.with_suffix(".json"),
        elsewhere=lambda wildcards: list(Place.of(wildcards.baseline).videos().values()),
    output:
        P.run / "generated/{baseline}.json",
    log:
        P.run / "logs/baseline-{baseline}.log",
    benchmark:
        P.run / "logs/baseline-{baseline}.tsv"
    wildcard_constraints:
        baseline="|".join(declared()),
    conda:
        "../../environment.yml"
    params:
        settings=settings("corpus.resolution", "corpus.fps", "corpus.sample_rate", "evaluate.inference_frames"),
        declaration=lambda wildcards: declared()[wildcards.baseline].cause(),
        code=code_digest("dawn/baselines", "dawn/media"),
    message:
        "test videos of run {CONFIG.name}: baseline {wildcards.baseline}"
    shell:
        "dawn baseline run {wildcards.baseline} --config $DAWN_CONFIG 2> >(tee {log} >&2)"
