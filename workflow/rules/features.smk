"""Features and the dataset.

Needs the clips of data.smk. Gives data/<corpus>/<resolution>/features/<clip>.safetensors, dataset.csv (clips that came
through) and data/<corpus>/rejected.csv (clips that did not, with the reason).
"""


rule features:
    input:
        manifest="data/{corpus}/clips.csv",
        clips="data/{corpus}/{resolution}/shards/clips-{shard}.json",
    output:
        "data/{corpus}/{resolution}/shards/features-{shard}.json",
    log:
        "data/{corpus}/{resolution}/logs/features-{shard}.log",
    benchmark:
        "data/{corpus}/{resolution}/logs/features-{shard}.tsv"
    # Networks wait for it: before the videos and numbers of those that are trained.
    priority: 5
    conda:
        "../../environment.yml"
    params:
        settings=settings("features", "corpus.fps"),
        code=code_fingerprint(*FEATURES),
    message:
        "features of corpus {wildcards.corpus}, shard {wildcards.shard}"
    shell:
        "dawn features --config $DAWN_CONFIGS/corpora/{wildcards.corpus}.yaml --shard {wildcards.shard} 2> >(tee {log} >&2)"


# One rule a corpus: what was rejected lies above the folder of the resolution. That of the configuration is `dataset`.
for corpus, run in CORPORA.items():

    rule:
        name:
            "dataset" if run == CONFIG.name else f"dataset_{corpus}"
        input:
            manifest=PATHS[run].manifest,
            shards=shards(PATHS[run]),
        output:
            dataset=PATHS[run].dataset,
            digest=PATHS[run].dataset.with_suffix(".json"),
            rejected=PATHS[run].rejected,
        log:
            PATHS[run].clips / "logs/dataset.log",
        conda:
            "../../environment.yml"
        params:
            code=code_fingerprint("dawn.features.dataset"),
            corpus=corpus,
        message:
            "dataset of corpus {params.corpus}"
        shell:
            "dawn dataset --config $DAWN_CONFIGS/corpora/{params.corpus}.yaml 2> >(tee {log} >&2)"
