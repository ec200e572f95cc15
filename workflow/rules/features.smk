"""Features and the dataset.

Needs the clips of data.smk. Gives data/<corpus>/<resolution>/features/<clip>.safetensors, dataset.csv (clips that came
through) and data/<corpus>/rejected.csv (clips that did not, with the reason).
"""


rule features:
    input:
        manifest=P.manifest,
        clips=P.clips / "shards/clips-{shard}.json",
    output:
        P.clips / "shards/features-{shard}.json",
    log:
        P.clips / "logs/features-{shard}.log",
    benchmark:
        P.clips / "logs/features-{shard}.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=settings("features", "corpus.fps"),
        code=code_digest(*FEATURE_CODE),
    message:
        "features of corpus {CONFIG.corpus.name}, shard {wildcards.shard}"
    shell:
        "dawn features --config $DAWN_CONFIG --shard {wildcards.shard} 2> >(tee {log} >&2)"


rule dataset:
    input:
        manifest=P.manifest,
        shards=expand(P.clips / "shards/{stage}-{shard}.json", stage=["clips", "features"], shard=SHARDS),
    output:
        dataset=P.dataset,
        digest=P.dataset.with_suffix(".json"),
        rejected=P.rejected,
    log:
        P.clips / "logs/dataset.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("dawn/features/shards.py", "dawn/corpora/manifest.py"),
    message:
        "dataset of corpus {CONFIG.corpus.name}"
    shell:
        "dawn dataset --config $DAWN_CONFIG 2> >(tee {log} >&2)"
