"""The paper's protocols on labelled sequences: 100-frame segments of one camera or of several, and single moments of several."""
