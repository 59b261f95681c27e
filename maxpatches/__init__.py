"""Reserved for Max patches and Live devices generated from an instrument's manifest. Not built yet."""
