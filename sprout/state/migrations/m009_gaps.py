"""What nothing told of yet: rejected lines."""

STATEMENTS = (  # block comments: SQLite appends the text of a column to the table's own
    "ALTER TABLE runs ADD COLUMN num_rejected INTEGER /* lines that could not be served, of those"
    " read since the run was last begun or continued; NULL: not recorded */",
)
