"""The ledger's schema, revision by revision. Revisions only add: what was recorded stays readable."""
