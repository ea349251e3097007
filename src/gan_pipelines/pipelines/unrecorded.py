"""The tag of nodes whose runs leave no trace in the record of runs."""

READS_THE_RECORD = "reads_the_record"
"""Of nodes that need nothing but the record of earlier runs; a run of such nodes alone is not recorded itself."""
