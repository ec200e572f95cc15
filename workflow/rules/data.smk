"""Corpus and clips.

Needs the configuration and, for a folder corpus, the videos it names.
Gives data/<corpus>/clips.csv and data/<corpus>/<resolution>/<clip>.mp4, with one report a shard.
"""


rule resolve:
    output:
        P.run / "config.yaml",
    log:
        P.run / "logs/resolve.log",
    conda:
        "../../environment.yml"
    params:
        digest=digest(TREE),
    message:
        "configuration of run {CONFIG.name}, every default filled in"
    shell:
        "cp $DAWN_CONFIG {output} 2> {log}"


rule corpus:
    output:
        manifest=P.manifest,
        rejected=P.corpus / "rejected.corpus.csv",
    log:
        P.corpus / "logs/corpus.log",
    benchmark:
        P.corpus / "logs/corpus.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "corpus.kind",
            "corpus.seed",
            "corpus.demo",
            "corpus.folder",
            "corpus.crema",
            "corpus.fps",
            "corpus.sample_rate",
        ),
        code=code_digest(*DATA_CODE),
    message:
        "corpus {CONFIG.corpus.name}: which clips there are"
    shell:
        "dawn corpus --config $DAWN_CONFIG 2> >(tee {log} >&2)"


rule clips:
    input:
        manifest=P.manifest,
    output:
        P.clips / "shards/clips-{shard}.json",
    log:
        P.clips / "logs/clips-{shard}.log",
    benchmark:
        P.clips / "logs/clips-{shard}.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=settings("corpus", "features.detect_side"),
        code=code_digest(*DATA_CODE, "dawn/features/portrait.py", "dawn/features/landmarks.py"),
    message:
        "clips of corpus {CONFIG.corpus.name}, shard {wildcards.shard}"
    shell:
        "dawn clips --config $DAWN_CONFIG --shard {wildcards.shard} 2> >(tee {log} >&2)"
