//! The records of a ZTF alert, version 3.3 (conf/schemas/ztf.avsc).
//!
//! `candidate` and `prv_candidates` share parts; they differ in which fields may be null.

use crate::simulate::avro_record::record;

record! {
    part Exposure {
        jd: f64,
        fid: i32,
        pid: i64,
        diffmaglim: Option<f32>,
        pdiffimfilename: Option<String>,
        programpi: Option<&'static str>,
        programid: i32,
    }
}

record! {
    part DetectorPosition {
        tblid: Option<i64>,
        nid: Option<i32>,
        rcid: Option<i32>,
        field: Option<i32>,
        xpos: Option<f32>,
        ypos: Option<f32>,
    }
}

record! {
    part Shape {
        chipsf: Option<f32>,
        magap: Option<f32>,
        sigmagap: Option<f32>,
        distnr: Option<f32>,
        magnr: Option<f32>,
        sigmagnr: Option<f32>,
        chinr: Option<f32>,
        sharpnr: Option<f32>,
        sky: Option<f32>,
        magdiff: Option<f32>,
        fwhm: Option<f32>,
        classtar: Option<f32>,
        mindtoedge: Option<f32>,
        magfromlim: Option<f32>,
        seeratio: Option<f32>,
        aimage: Option<f32>,
        bimage: Option<f32>,
        aimagerat: Option<f32>,
        bimagerat: Option<f32>,
        elong: Option<f32>,
        nneg: Option<i32>,
        nbad: Option<i32>,
        rb: Option<f32>,
        ssdistnr: Option<f32>,
        ssmagnr: Option<f32>,
        ssnamenr: Option<String>,
        sumrat: Option<f32>,
        magapbig: Option<f32>,
        sigmagapbig: Option<f32>,
    }
}

record! {
    Candidate {
        exposure: Exposure,
        candid: i64,
        isdiffpos: &'static str,
        spot: DetectorPosition,
        ra: f64,
        dec: f64,
        magpsf: f32,
        sigmapsf: f32,
        shape: Shape,
        ranr: f64,
        decnr: f64,
        sgmag1: Option<f32>,
        srmag1: Option<f32>,
        simag1: Option<f32>,
        szmag1: Option<f32>,
        sgscore1: Option<f32>,
        distpsnr1: Option<f32>,
        ndethist: i32,
        ncovhist: i32,
        jdstarthist: Option<f64>,
        jdendhist: Option<f64>,
        scorr: Option<f64>,
        tooflag: Option<i32>,
        objectidps1: Option<i64>,
        objectidps2: Option<i64>,
        sgmag2: Option<f32>,
        srmag2: Option<f32>,
        simag2: Option<f32>,
        szmag2: Option<f32>,
        sgscore2: Option<f32>,
        distpsnr2: Option<f32>,
        objectidps3: Option<i64>,
        sgmag3: Option<f32>,
        srmag3: Option<f32>,
        simag3: Option<f32>,
        szmag3: Option<f32>,
        sgscore3: Option<f32>,
        distpsnr3: Option<f32>,
        nmtchps: i32,
        rfid: i64,
        jdstartref: f64,
        jdendref: f64,
        nframesref: i32,
        rbversion: &'static str,
        dsnrms: Option<f32>,
        ssnrms: Option<f32>,
        dsdiff: Option<f32>,
        magzpsci: Option<f32>,
        magzpsciunc: Option<f32>,
        magzpscirms: Option<f32>,
        nmatches: i32,
        clrcoeff: Option<f32>,
        clrcounc: Option<f32>,
        zpclrcov: Option<f32>,
        zpmed: Option<f32>,
        clrmed: Option<f32>,
        clrrms: Option<f32>,
        neargaia: Option<f32>,
        neargaiabright: Option<f32>,
        maggaia: Option<f32>,
        maggaiabright: Option<f32>,
        exptime: Option<f32>,
        drb: Option<f32>,
        drbversion: &'static str,
    }
}

record! {
    PrvCandidate {
        exposure: Exposure,
        candid: Option<i64>,
        isdiffpos: Option<&'static str>,
        spot: DetectorPosition,
        ra: Option<f64>,
        dec: Option<f64>,
        magpsf: Option<f32>,
        sigmapsf: Option<f32>,
        shape: Shape,
        ranr: Option<f64>,
        decnr: Option<f64>,
        scorr: Option<f64>,
        magzpsci: Option<f32>,
        magzpsciunc: Option<f32>,
        magzpscirms: Option<f32>,
        clrcoeff: Option<f32>,
        clrcounc: Option<f32>,
        rbversion: &'static str,
    }
}
