"""What-ifs: a workload planned again and again with some of its values changed."""
