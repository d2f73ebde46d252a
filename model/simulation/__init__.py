"""Discrete-event simulation of serving engines, on the step times of `model.step_time`."""
