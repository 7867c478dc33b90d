"""The scores as modules of Hugging Face `evaluate`, for people who work with that library.

    evaluate.load("batch_jobs/evaluate/modules/rouge_l").compute(predictions=[...], references=[...])

They need no network and give exactly what `batch_jobs.evaluate.scoring` gives. The job itself does not import them:
`evaluate` alone takes 9 to 28 seconds to import. Its loader reads a module line by line, so each imports one name per
line.
"""
