// What scripts outside of our modules put into the window.
interface Window {
  /** Plotly, once `loadPlotly` of components/plotly.js has fetched it; it has no types here. */
  Plotly?: any;
}
