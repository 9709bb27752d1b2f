# Include this file in a Snakefile of your own: include: "lowdepth.smk"
#
# Cells as counts/SAMPLE.h5ad become rescued/SAMPLE.h5ad and rescued/SAMPLE.html. A job that was ended goes on from its
# finished embedding when it is started again; one that cannot take its input fails with code 2 and its reason in the log.

rule lowdepth_rescue:
    input:
        "counts/{sample}.h5ad",
    output:
        cells="rescued/{sample}.h5ad",
        report="rescued/{sample}.html",
    params:
        options=config.get("lowdepth", ""),  # such as "--label-key cell_type --batch-key donor"
    log:
        "logs/lowdepth/{sample}.log",
    threads: 4
    resources:
        mem_mb=16000,
        runtime=240,
    shell:
        "OMP_NUM_THREADS={threads} NUMBA_NUM_THREADS={threads} "
        "lowdepth rescue {input:q} --out {output.cells:q} --report {output.report:q} --no-progress {params.options} "
        "> {log:q} 2>&1"
