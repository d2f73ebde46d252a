"""Why a plan is what it is: what binds, what was left out, what else there is, what to relax."""
