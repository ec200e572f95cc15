"""Corpus and clips.

Input: the configuration and, for a folder corpus, its videos.
Output: data/<corpus>/clips.csv with coverage.json; data/<corpus>/<resolution>/clips/<two digits>/<clip>.mp4, in 256 folders by
a hash of the name (dawn.paths.clip_file), with one report per shard.
"""


rule resolve:
    output:
        "results/{run}/config.yaml",
    log:
        "results/{run}/logs/resolve.log",
    conda:
        "../../environment.yml"
    params:
        settings=lambda wildcards: fingerprint(TREES[wildcards.run]),
    message:
        "resolved configuration of run {wildcards.run}"
    shell:
        "cp $DAWN_CONFIGS/runs/{wildcards.run}.yaml {output} 2> {log}"


rule corpus:
    output:
        manifest="data/{corpus}/clips.csv",
        rejected="data/{corpus}/rejected.corpus.csv",
        coverage="data/{corpus}/coverage.json",
    log:
        "data/{corpus}/logs/corpus.log",
    benchmark:
        "data/{corpus}/logs/corpus.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "corpus.kind",
            "corpus.seed",
            "corpus.demo",
            "corpus.folder",
            "corpus.crema",
            "corpus.hdtf",
            "corpus.voxceleb",
            "corpus.options",
            "corpus.fps",
            "corpus.sample_rate",
        ),
        code=lambda wildcards: corpus_code(kind(wildcards)),
        faces=face_clustering,
    message:
        "list of clips of corpus {wildcards.corpus}"
    shell:
        "dawn corpus --config $DAWN_CONFIGS/corpora/{wildcards.corpus}.yaml 2> >(tee {log} >&2)"


rule clips:
    input:
        manifest="data/{corpus}/clips.csv",
    output:
        "data/{corpus}/{resolution}/shards/clips-{shard}.json",
    log:
        "data/{corpus}/{resolution}/logs/clips-{shard}.log",
    benchmark:
        "data/{corpus}/{resolution}/logs/clips-{shard}.tsv"
    # Training depends on it, so it has priority over videos and scores of networks that are already trained.
    priority: 5
    conda:
        "../../environment.yml"
    params:
        settings=settings(
            "corpus.kind",
            "corpus.resolution",
            "corpus.face_height",
            "corpus.fps",
            "corpus.sample_rate",
            "corpus.shards",
            "corpus.folder.root",
            "corpus.crema.root",
            "corpus.hdtf",
            "corpus.voxceleb",
            "corpus.options",
            "features.detect_side",
        ),
        code=lambda wildcards: clips_code(kind(wildcards)),
    message:
        "clips of corpus {wildcards.corpus}, shard {wildcards.shard}"
    shell:
        "dawn clips --config $DAWN_CONFIGS/corpora/{wildcards.corpus}.yaml --shard {wildcards.shard} 2> >(tee {log} >&2)"
