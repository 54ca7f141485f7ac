"""What nothing told of yet: rejected lines, how intensities are known, corrected references."""

STATEMENTS = (  # block comments: SQLite appends the text of a column to the table's own
    "ALTER TABLE runs ADD COLUMN num_rejected INTEGER /* lines that could not be served, of those"
    " read since the run was last begun or continued; NULL: not recorded */",
    "ALTER TABLE evaluations ADD COLUMN intensity_source TEXT /* of g_per_kwh, with its mark;"
    " 'several (mixed)': went on by another one; NULL: not recorded */",
    "ALTER TABLE evaluations ADD COLUMN intensity_kind TEXT /* average | marginal; NULL: not"
    " recorded, or mixed */",
    "ALTER TABLE evaluations ADD COLUMN intensity_factor TEXT /* lifecycle | direct | unknown;"
    " NULL: not recorded, or mixed */",
    "ALTER TABLE verdicts ADD COLUMN reference_hash TEXT /* of prompt and reference, if the judge"
    " compares with one; NULL: it does not, or not recorded */",
)
