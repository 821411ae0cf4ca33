"""The frames of a video, from folders of images, tar archives, video files and cameras."""
