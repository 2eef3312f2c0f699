"""Read and validate settings: params.yaml says what is active, conf/ holds the rest."""
