"""Features and the dataset.

Input: the clips of data.smk and, where features.speech.encoder is a local folder, its files. Output: data/<corpus>/<resolution>/features/<two digits>/<clip>.safetensors (as for the clips),
store/<shard>.safetensors (packed training clips, unless data.store is none), dataset.csv (clips with features) and
data/<corpus>/rejected.csv (rejected clips, with the reason). results/<run>/speech/, a speech encoder trained on the ground truth
of the embedded corpus, is made where features.speech.encoder names it, or on request.
"""


rule speech:
    input:
        manifest=path_of(lambda paths: paths.manifest),
    output:
        [f"results/{{run}}/speech/{file}" for file in (*FILES, RECORD)],
    log:
        "results/{run}/logs/train-speech.log",
    benchmark:
        "results/{run}/logs/train-speech.tsv"
    # Features and all training wait for it.
    priority: 10
    conda:
        "../../environment.yml"
    threads: lambda wildcards: cores_of(RUNS.configs[wildcards.run], RUNS.configs[wildcards.run].speech.train)
    resources:
        gpu=lambda wildcards: gpus_of(RUNS.configs[wildcards.run].speech.train),
    params:
        settings=lambda wildcards: fingerprint(speech_settings_of(RUNS.configs[wildcards.run])),
        code=code_fingerprint("dawn.training.speech_encoder"),
    message:
        "training the speech encoder of run {wildcards.run}"
    shell:
        "dawn train speech --config $DAWN_CONFIGS/runs/{wildcards.run}.yaml 2> >(tee {log} >&2)"


rule features:
    input:
        manifest="data/{corpus}/clips.csv",
        clips="data/{corpus}/{resolution}/shards/clips-{shard}.json",
        encoder=encoder,
    output:
        "data/{corpus}/{resolution}/shards/features-{shard}.json",
    log:
        "data/{corpus}/{resolution}/logs/features-{shard}.log",
    benchmark:
        "data/{corpus}/{resolution}/logs/features-{shard}.tsv"
    # Training depends on it, so it has priority over videos and scores of networks that are already trained.
    priority: 5
    conda:
        "../../environment.yml"
    params:
        settings=settings("features", "corpus.fps"),
        code=features_code(),
    message:
        "features of corpus {wildcards.corpus}, shard {wildcards.shard}"
    shell:
        "dawn features --config $DAWN_CONFIGS/corpora/{wildcards.corpus}.yaml --shard {wildcards.shard} 2> >(tee {log} >&2)"


rule pack:
    input:
        manifest="data/{corpus}/clips.csv",
        clips="data/{corpus}/{resolution}/shards/clips-{shard}.json",
        features="data/{corpus}/{resolution}/shards/features-{shard}.json",
    output:
        "data/{corpus}/{resolution}/store/{shard}.safetensors",
    log:
        "data/{corpus}/{resolution}/logs/pack-{shard}.log",
    benchmark:
        "data/{corpus}/{resolution}/logs/pack-{shard}.tsv"
    priority: 5
    conda:
        "../../environment.yml"
    params:
        settings=settings("data.store", "corpus.resolution"),
        code=pack_code(),
    message:
        "packed training clips of corpus {wildcards.corpus}, shard {wildcards.shard}"
    shell:
        "dawn pack --config $DAWN_CONFIGS/corpora/{wildcards.corpus}.yaml --shard {wildcards.shard} 2> >(tee {log} >&2)"


# One rule per corpus, since rejected.csv lies above the folder of the resolution; that of the configuration is `dataset`.
for corpus, run in CORPORA.items():

    rule:
        name:
            "dataset" if run == CONFIG.name else f"dataset_{corpus}"
        input:
            manifest=PATHS[run].manifest,
            shards=shards(PATHS[run]),
        output:
            dataset=PATHS[run].dataset,
            fingerprint=PATHS[run].dataset.with_suffix(".json"),
            rejected=PATHS[run].rejected,
        log:
            PATHS[run].prepared / "logs/dataset.log",
        conda:
            "../../environment.yml"
        params:
            code=code_fingerprint("dawn.features.dataset"),
            corpus=corpus,
        message:
            "dataset of corpus {params.corpus}"
        shell:
            "dawn dataset --config $DAWN_CONFIGS/corpora/{params.corpus}.yaml 2> >(tee {log} >&2)"
