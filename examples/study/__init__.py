"""What examples/run, benchmarks/medical and benchmarks/tasks share: folders of sites, public data sets, and comparisons of trainings."""
