"""Two nodes for the tests' server: one that takes its time and one that fails."""

import gc
import time

import comfy.model_management


class ProbeSleep:
    CATEGORY = "tests"
    RETURN_TYPES = ("STRING",)
    FUNCTION = "go"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"seconds": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 600.0})}}

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def go(self, seconds):
        assert gc.isenabled(), "headless/server/start.py tells it when ComfyUI answers"
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(0.05)
        return {"ui": {"text": [f"slept {seconds} s"]}, "result": ("slept",)}


class ProbeFail:
    CATEGORY = "tests"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"message": ("STRING", {"default": ""})}}

    def go(self, message):
        raise ValueError(message)


NODE_CLASS_MAPPINGS = {"ProbeSleep": ProbeSleep, "ProbeFail": ProbeFail}
