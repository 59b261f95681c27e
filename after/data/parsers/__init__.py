"""Which files a data set is made of: one small class for each layout that data sets come in."""
