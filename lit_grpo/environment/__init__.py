"""The domain: programs, faults, solver, actions, episodes, scores. No torch and no language model in here."""
