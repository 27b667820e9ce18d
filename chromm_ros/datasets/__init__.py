"""Datasets in their own formats, each behind `LabelledSequence`: EMDB-2, RICH, EgoHumans, EgoExo4D and BEDLAM."""
