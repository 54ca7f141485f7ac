"""Which variant answers what a directive's key stands for."""

STATEMENTS = (
    "ALTER TABLE directives ADD COLUMN variant TEXT /* fingerprint of the variant's file, which is"
    " part of the key; NULL: the model itself */",
)
