process LOWDEPTH_RESCUE {
    tag "$meta.id"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"

    input:
    tuple val(meta), path(cells)

    output:
    tuple val(meta), path("${prefix}.h5ad"), emit: h5ad
    tuple val(meta), path("${prefix}.html"), emit: report
    path "versions.yml"                    , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}_rescued"
    """
    export OMP_NUM_THREADS=${task.cpus}
    export NUMBA_NUM_THREADS=${task.cpus}

    lowdepth rescue ${cells} --out ${prefix}.h5ad --report ${prefix}.html --no-progress ${args}

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        lowdepth: \$(lowdepth --version | sed 's/lowdepth //')
    END_VERSIONS
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}_rescued"
    """
    touch ${prefix}.h5ad ${prefix}.html

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        lowdepth: \$(lowdepth --version | sed 's/lowdepth //')
    END_VERSIONS
    """
}
