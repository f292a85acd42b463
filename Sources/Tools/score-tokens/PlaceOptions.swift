import ArgumentParser
import ToolRuntime

/// Scores of single tokens and single images, beside the means over all of them.
struct PlaceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Features file to write with the nats of each token, [images, tokens], one record per batch."))
  var map: OutputPath?
  @Option(
    help: ArgumentHelp(
      "PNG picture to write with a heat map of the nats of each image's tokens: black is 0, red half of a uniform guess, "
        + "yellow a uniform guess, white is worse."))
  var mapSheet: OutputPath?
  @Option(help: "Number of images on --map-sheet: the first of those that are scored. (default: 64)")
  var draw: Int?
  @Option(help: "Factor by which the maps of --map-sheet are enlarged, from 1 to 32. (default: 4)")
  var enlarge: Int?
  @Option(
    help: ArgumentHelp(
      "Table to write with a line per image, the most probable image first, in columns with tabs between them: image, class, "
        + "name, nats, nats_per_token."))
  var rank: OutputPath?

  func validate() throws {
    if [map, mapSheet, rank].contains(where: { $0?.isStandardOutput == true }) {
      throw ValidationError(
        "the scores take standard output; name files for --map, --map-sheet and --rank.")
    }
    if mapSheet == nil && (draw != nil || enlarge != nil) {
      throw ValidationError("--draw and --enlarge go with --map-sheet.")
    }
    if (draw ?? 1) < 1 || !(1...32).contains(enlarge ?? 1) {
      throw ValidationError("--draw must be at least 1, --enlarge from 1 to 32.")
    }
  }

  /// Whether any of them was asked for.
  var isGiven: Bool { map != nil || mapSheet != nil || rank != nil }

  /// Whether one was asked for that shows all images together.
  var isOfAllImages: Bool { mapSheet != nil || rank != nil }
}
