"""Baselines.

Input: the test clips of generate.smk and, below external/<name> ($DAWN_BASELINES/<name>), the files that
docs/how-to/baseline.md lists: videos named by clip, or upstream's checkout and environment. Output:
results/<run>/baselines/<name>/<clip>.mp4 with one report per baseline, for the baselines that have these files.
"""


rule baseline:
    input:
        test="results/{run}/test.csv",
        fingerprint=path_of(lambda paths: paths.dataset.with_suffix(".json")),
        supplied=lambda wildcards: list(Setup.of(wildcards.baseline).videos().values()),
    output:
        "results/{run}/generated/{baseline}.json",
    log:
        "results/{run}/logs/baseline-{baseline}.log",
    benchmark:
        "results/{run}/logs/baseline-{baseline}.tsv"
    wildcard_constraints:
        baseline="|".join(declared()),
    conda:
        "../../environment.yml"
    params:
        settings=settings("corpus.resolution", "corpus.fps", "corpus.sample_rate", "evaluate.inference_frames"),
        declaration=lambda wildcards: declared()[wildcards.baseline].fingerprint(),
        code=code_fingerprint("dawn.baselines.videos"),
    message:
        "test videos of run {wildcards.run}: baseline {wildcards.baseline}"
    shell:
        "dawn baseline run {wildcards.baseline} --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml 2> >(tee {log} >&2)"
