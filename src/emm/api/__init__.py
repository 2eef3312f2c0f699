"""The public functions of `emm`: the stages' own steps, in memory."""
